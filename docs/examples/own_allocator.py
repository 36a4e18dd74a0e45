# %% [markdown]
# # A rule of your own
#
# One class: `init` returns the first state, `select` returns shares, `update` returns the next
# state. It sees contexts, never the world.

# %%
import numpy as np

import readsim


class HalfToTheLaggard(readsim.Allocator):
    """The requirement, and half of the tokens for the source whose capability has the lowest score."""

    def init(self, setup):
        return {"prior": np.asarray(setup.prior)}

    def select(self, state, context):
        prior = state["prior"]
        if len(context.profile) != len(prior):  # sources and capabilities need not be the same
            return prior
        laggard = np.eye(len(prior))[int(np.argmin(context.profile))]
        return 0.5 * prior + 0.5 * laggard


# %% [markdown]
# A class is used like a name. An allocator of a module of yours has the name `module:Class` on
# the command line.

# %%
runs = readsim.compare(
    worlds="related-web",
    tasks="average",
    budgets="40M",
    steps=10,
    seeds=3,
    allocators=[HalfToTheLaggard(), "task-static", "oracle-static"],
)
print(runs.groupby("allocator")["utility"].mean().round(4))
