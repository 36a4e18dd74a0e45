# %% [markdown]
# # A real teacher and student behind the same loop
#
# The pair `nano` comes with readsim. It needs the extra `hf`. A budget this small shows that it
# runs.

# %%
import readsim
from readsim_hf import make_backend

backend = make_backend(budget=300, steps=2, probes={"probe": 4, "dev": 4, "test": 8})
env = readsim.make_env(backend=backend, task={"math": 0.5, "code": 0.5}, steps=2)

# %% [markdown]
# Any allocator of the simulator decides on what the student trains, and the loop and its rows are
# the same.

# %%
rows, _ = readsim.rollout([env], readsim.load_allocator("task-static"), [0])
for row in rows:
    if row["kind"] == "step":
        print(f"decision {row['step']}: {row['tokens']} tokens")
    if row["kind"] == "final":
        print(f"final utility {100 * row['utility']:.1f} points")
