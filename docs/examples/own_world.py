# %% [markdown]
# # A world from measured effects
#
# Rows are trained on, columns move: the change of scores after 20M tokens on each source alone.

# %%
import readsim

world = readsim.world_from_effects(
    [[8, -2], [3, 5]],
    ["math", "code"],
    tokens="20M",
    start=[30, 40],
    ceiling=90,
    unit="points",
)

# %% [markdown]
# A world knows its best constant split. What does it cost to play the requirement instead?

# %%
task = {"math": 0.7, "code": 0.3}
for budget in ("5M", "20M", "80M"):
    best = readsim.optimum(world, task, budget)
    shares = ", ".join(
        f"{source} {share:.0%}"
        for source, share in zip(world.sources, best.allocation, strict=True)
    )
    print(f"{budget}: {100 * best.utility:.2f} points with {shares}")

# %%
runs = readsim.compare(
    worlds=world,
    tasks=task,
    budgets=["5M", "80M"],
    steps=5,
    seeds=2,
    allocators=["task-static", "oracle-static"],
)
print((100 * runs.groupby(["budget", "allocator"])["utility"].mean()).round(2))
