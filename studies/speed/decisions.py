"""A decision of the rules that decide while a model trains, in the simulated world `read8-llama` (K = 8)."""

from statistics import median
from time import process_time

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.runs.loop import rollout

STEPS, SEEDS = 20, 7


def seconds_of(name: str) -> float:
    """CPU seconds a decision, with what the rule learns from it and the simulated step; median of runs."""
    env, allocator = DistillEnv("read8-llama", "average", steps=STEPS), load_allocator(name)
    rollout(env, allocator, SEEDS)  # what is loaded once
    times = []
    for seed in range(SEEDS):
        begun = process_time()
        rollout(env, allocator, seed)
        times.append((process_time() - begun) / STEPS)
    return median(times)
