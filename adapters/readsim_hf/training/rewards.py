"""What a reply of the student is worth: the gold answer's word, or a judge's grade."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from readsim.errors import ConfigError
from readsim_hf.probes.own.judge import Grader
from readsim_hf.prompts import checkers
from readsim_hf.prompts.library import Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.judging import final_answer


class Reward(Protocol):
    """Grades replies."""

    @property
    def tokens(self) -> int:
        """What a judge has read and written so far."""
        ...

    def __call__(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> NDArray[np.float64]:
        """A number in [0, 1] for each reply to its prompt."""
        ...


class GoldReward:
    """1 where the final answer is the gold one, 0 elsewhere, also where there is no final answer.

    Raises ConfigError for a prompt whose answer nothing here can check.
    """

    tokens = 0

    def __init__(self, style: Style) -> None:
        self._style = style

    def __call__(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> NDArray[np.float64]:
        return np.array([self._one(p, text) for p, text in zip(prompts, replies, strict=True)])

    def _one(self, prompt: Prompt, reply: str) -> float:
        right = checkers.correct(prompt, final_answer(self._style, prompt, reply))
        if right is None:
            raise _unchecked(prompt)
        return float(right)


class JudgedReward:
    """The grade of a judge, as a share of the best one; 0 where it answers in prose without a grade.

    TrainingError where it does so for more than half of the replies of one call; a warning for fewer.
    """

    def __init__(self, grader: Grader) -> None:
        self._grader = grader

    @property
    def tokens(self) -> int:
        return self._grader.tokens

    def __call__(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> NDArray[np.float64]:
        asked = [
            ({"question": p.text, "answer": p.answer}, text)
            for p, text in zip(prompts, replies, strict=True)
        ]
        self._grader.ask(asked)
        grades = np.array([self._grader.grade(*one) for one in asked])
        self._grader.say_unread()
        return grades


def check_gold(prompts: Sequence[Prompt]) -> None:
    """ConfigError for the first prompt that has no gold answer which is checked here."""
    for prompt in prompts:
        if checkers.correct(prompt, prompt.answer or "") is None:
            raise _unchecked(prompt)


def _unchecked(prompt: Prompt) -> ConfigError:
    return ConfigError(
        f"sampling.reward = 'gold': a prompt of {prompt.template!r} has no gold answer that is checked here; "
        "use reward = 'judge', or leave its source out"
    )
