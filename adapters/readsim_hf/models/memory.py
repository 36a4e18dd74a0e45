"""Running out of memory, in words: during what, and which settings lower it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from readsim.errors import TrainingError


@contextmanager
def memory_for(phase: str, knobs: str) -> Iterator[None]:
    """TrainingError that names the phase and what to lower, where memory runs out inside."""
    try:
        yield
    except RuntimeError as error:  # PyTorch's own for CUDA is one; for the CPU it has no other
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise TrainingError(f"out of memory {phase}: {knobs} ({error})") from error
        raise
    except MemoryError as error:
        raise TrainingError(f"out of memory {phase}: {knobs} ({error})") from error
