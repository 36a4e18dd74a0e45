"""Worlds: analytic models of how training on sources moves capabilities."""

from readsim.worlds.catalogue import load_world, preset_names
from readsim.worlds.files import load_world_file, save_world, world_from_dict, world_to_dict
from readsim.worlds.optimum import Optimum, optimum
from readsim.worlds.random import random_world
from readsim.worlds.task import Task
from readsim.worlds.validation import check_budget
from readsim.worlds.world import World

__all__ = [
    "Optimum",
    "Task",
    "World",
    "check_budget",
    "load_world",
    "load_world_file",
    "optimum",
    "preset_names",
    "random_world",
    "save_world",
    "world_from_dict",
    "world_to_dict",
]
