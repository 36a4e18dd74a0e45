"""Worlds: analytic models of how training on sources moves capabilities."""

from readsim.worlds.catalogue import AnyWorld, load_world, preset_names
from readsim.worlds.effects import world_from_effects
from readsim.worlds.files import load_world_file, save_world, world_from_dict, world_to_dict
from readsim.worlds.optimum import Optimum, optimum
from readsim.worlds.prior import Prior, draw_world, load_prior
from readsim.worlds.random import random_world
from readsim.worlds.task import AnyTask, Task
from readsim.worlds.validation import check_budget
from readsim.worlds.world import World

__all__ = [
    "AnyTask",
    "AnyWorld",
    "Optimum",
    "Prior",
    "Task",
    "World",
    "check_budget",
    "draw_world",
    "load_prior",
    "load_world",
    "load_world_file",
    "optimum",
    "preset_names",
    "random_world",
    "save_world",
    "world_from_dict",
    "world_from_effects",
    "world_to_dict",
]
