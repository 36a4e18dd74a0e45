"""The cap on each template's share of recent prompts."""

import math
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from readsim.errors import ConfigError, unknown

WINDOW = 256  # prompts of one capability


def default_cap(templates: int) -> float:
    """max(0.2, 1.5 / n), at most 1."""
    return min(max(0.2, 1.5 / templates), 1.0)


class TemplateShares:
    """Who may be used next, so that no template has more than `cap` of any `window` prompts in a row.

    At least one template is always allowed: a cap that could not promise that is refused.
    """

    def __init__(
        self, templates: Sequence[str], cap: float | None = None, window: int = WINDOW
    ) -> None:
        """`cap` None is `default_cap`. Raises ConfigError."""
        self._templates = tuple(templates)
        n = len(self._templates)
        if n == 0 or len(set(self._templates)) < n:
            raise ConfigError(
                f"templates: {list(self._templates)}, expected at least one, each once"
            )
        cap = default_cap(n) if cap is None else cap
        if not 0 < cap <= 1 or window < 1:
            raise ConfigError(
                f"template cap {cap}, window {window}: expected 0 < cap <= 1 and window >= 1"
            )
        self._limit = math.floor(cap * window + 1e-9)
        if self._limit * n < window:
            raise ConfigError(
                f"template cap {cap}: {n} templates with at most {self._limit} prompts each cannot "
                f"fill a window of {window}; expected a cap of at least {math.ceil(window / n) / window:.4g}"
            )
        # The window that the next prompt completes holds one prompt fewer.
        self._recent: deque[str] = deque()
        self._size = window - 1
        self._count: Counter[str] = Counter()

    def allowed(self, template: str) -> bool:
        """Whether the next prompt may come from this template. Raises UnknownNameError."""
        if template not in self._templates:
            raise unknown("template", template, self._templates)
        return self._count[template] < self._limit

    def add(self, template: str) -> None:
        """Count one prompt of this template. Raises ConfigError where that is not allowed."""
        if not self.allowed(template):
            raise ConfigError(
                f"template {template!r} has {self._limit} of the last {self._size} prompts, its cap"
            )
        self._recent.append(template)
        self._count[template] += 1
        if len(self._recent) > self._size:
            self._count[self._recent.popleft()] -= 1

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain data."""
        return {"recent": [self._templates.index(template) for template in self._recent]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()` of the same templates, cap and window."""
        self._recent = deque(self._templates[index] for index in state["recent"])
        self._count = Counter(self._recent)
