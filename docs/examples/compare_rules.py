# %% [markdown]
# # A comparison in Python
#
# `readsim.compare` runs every rule on the same seeds and returns a table with a row a run.
# Differences are paired by seed, so that they are known better than either mean.

# %%
import readsim

runs = readsim.compare(
    worlds="conflict",
    tasks=["skill_1", "skill_2"],
    budgets="40M",
    steps=10,
    seeds=4,
    allocators=["uniform", "task-static", "gap-proportional", "oracle-static"],
)
print(runs.groupby("allocator")["utility"].mean().round(4))

# %% [markdown]
# The seed is the unit: its runs on several tasks are averaged first. `paired` gives a t interval,
# a bootstrap interval and a sign-flip test, and says how much of the variance pairing removed.

# %%
points = 100 * runs.pivot(index=["allocator", "seed"], columns="task", values="utility")
for rule in ("uniform", "gap-proportional", "oracle-static"):
    found = readsim.paired(points.loc[rule], points.loc["task-static"])
    print(f"{rule} minus task-static: {found.mean:+.2f} points, 95 % interval {found.t}")
