"""Many different worlds advanced by one set of array operations: their numbers (`stack`), the equations
(`equations`), in numpy for the vector environment and in torch for training a policy."""

from readsim.worlds.many.equations import ManyState, ManyWorlds
from readsim.worlds.many.stack import WorldStack, stack_worlds

__all__ = ["ManyState", "ManyWorlds", "WorldStack", "stack_worlds"]
