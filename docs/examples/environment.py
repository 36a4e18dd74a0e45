# %% [markdown]
# # The Gymnasium environment
#
# An action is a share for each source. The observation has what the task requires, what probes
# measured, the budget left and the last three steps. The reward is noisy at small budgets, as
# probes of real students are.

# %%
import gymnasium as gym
import numpy as np

import readsim  # noqa: F401  # registers the environment

env = gym.make("readsim/Distill-v0", world="gateway", task="math", budget="150M", steps=10)
observation, info = env.reset(seed=0)
total, over = 0.0, False
while not over:
    observation, reward, over, _, info = env.step([0.0, 0.5, 0.5, 0.0, 0.0])
    total += reward
print(f"return {total:.3f}, final utility {info['utility']:.3f}")

# %% [markdown]
# Many runs at once are array operations. Here each of 256 runs plays a constant split of its own;
# the best of them shows that tokens on reasoning open the way to math.

# %%
envs = gym.make_vec(
    "readsim/Distill-v0", num_envs=256, world="gateway", task="math", budget="150M", steps=10
)
envs.reset(seed=0)
shares = np.random.default_rng(0).dirichlet(np.ones(5), size=256)
for _ in range(10):
    _, _, over, _, info = envs.step(shares)
best = int(np.argmax(info["utility"]))
print(f"best of 256: {info['utility'][best]:.3f} with {shares[best].round(2)}")
