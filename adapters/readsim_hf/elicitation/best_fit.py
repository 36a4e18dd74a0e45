"""Of several replies the one that suits the student (RSR; the student's likelihood)."""

from collections.abc import Sequence
from dataclasses import dataclass

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, ReadAs, Voices
from readsim_hf.elicitation.several_traces import right_traces
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt


@dataclass(frozen=True)
class InformativeFit(Elicitation):
    """n traces of the teacher, of the right ones that of the smallest rank-surprisal ratio for the student.

        RSR(y) = sum_k min(rank(y_k), 100) / sum_k -log p_theta(y_k | x, y_<k),   nats; inf / 0 last

    Small where tokens are unlikely and yet among the first that the student would say: informative, and
    near it (arXiv 2601.14249). Both sums are over all tokens of the reply, its end too; the paper's
    code reads the reply's own.

    n replies a prompt, and a reading of each right one by the student, charged as student_rollout. Needs
    gold answers (without one the first reply stays) and decoding.temperature > 0. Tried with the nano pair.
    """

    name: str = "informative-fit"
    form: Form = "rationale"
    reads = ("traces",)

    def draws(self, teachers: int) -> int:
        """See `Elicitation`: its traces."""
        return self.settings.traces

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        drawn = [voices.teach(prompts, draw) for draw in range(self.settings.traces)]
        right = [
            right_traces(p, [some[n] for some in drawn], voices) for n, p in enumerate(prompts)
        ]
        out: list[Lessons] = [traces if isinstance(traces, str) else [] for traces in right]
        several = [
            (n, Lesson(prompts[n], trace))
            for n, traces in enumerate(right)
            if not isinstance(traces, str)
            for trace in traces
        ]
        best: dict[int, tuple[float, Lesson]] = {}
        fits = voices.fits([lesson for _, lesson in several])
        for (n, lesson), fit in zip(several, fits, strict=True):
            worth = self.badness(fit)
            if n not in best or worth < best[n][0]:
                best[n] = worth, lesson
        for n, (_, lesson) in best.items():
            out[n] = [lesson]
        return out

    def badness(self, fit: ReadAs) -> float:
        """The smallest is chosen; of equal ones the first drawn."""
        return rank_surprisal_ratio(fit)


@dataclass(frozen=True)
class LikeliestFit(InformativeFit):
    """As `InformativeFit`, by the student's mean log-likelihood alone (GRAPE, arXiv 2502.04194)."""

    name: str = "likeliest-fit"

    def badness(self, fit: ReadAs) -> float:
        """The mean surprisal."""
        return fit.surprisal


def rank_surprisal_ratio(fit: ReadAs) -> float:
    """Mean rank over mean surprisal; infinite where nothing surprises, or the text does not fit."""
    if not 0 < fit.surprisal < float("inf"):
        return float("inf")
    return fit.rank / fit.surprisal
