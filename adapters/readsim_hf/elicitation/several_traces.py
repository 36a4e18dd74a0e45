"""Several traces of one question, of which right and different ones are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, Voices
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt


@dataclass(frozen=True)
class SeveralTraces(Elicitation):
    """n traces of the teacher for each question, of the right ones the `keep_traces` most different.

    With D(a, b) = 1 - |W_a & W_b| / |W_a | W_b| over the sets of word pairs of two traces, the shortest
    right one comes first, then always the one whose least D to those already chosen is largest.

    Best of n by gold, as rejection sampling does (arXiv 2308.01825), with diverse traces as in DED (arXiv
    2508.09883), whose choice of teacher and questions is the user's here. A question without a gold
    answer keeps its first trace. Each trace is charged, kept or not.

    Needs decoding.temperature > 0. Tried with the nano teacher and made-up ones.
    """

    name: str = "several-traces"
    form: Form = "rationale"
    tries = False
    reads = ("traces", "keep_traces")

    def draws(self, teachers: int) -> int:
        """See `Elicitation`: its traces."""
        return self.settings.traces

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        drawn = [voices.teach(prompts, draw) for draw in range(self.settings.traces)]
        out: list[Lessons] = []
        for n, prompt in enumerate(prompts):
            traces = right_traces(prompt, [some[n] for some in drawn], voices)
            if isinstance(traces, str):
                out.append(traces)
                continue
            kept = most_different(traces, self.settings.keep_traces)
            out.append([Lesson(prompt, trace) for trace in kept])
        return out


def right_traces(prompt: Prompt, traces: Sequence[str | None], voices: Voices) -> list[str] | str:
    """The distinct right ones; the first alone where nothing tells; in words why there is none."""
    there = list(dict.fromkeys(trace for trace in traces if trace))
    if not there:
        return "no usable reply was drawn"
    judged = [voices.right(prompt, trace) for trace in there]
    if judged[0] is None:
        return there[:1]
    right = [trace for trace, ok in zip(there, judged, strict=True) if ok]
    return right or f"none of {len(traces)} replies has the gold answer"


def most_different(traces: Sequence[str], most: int) -> list[str]:
    """At most so many of the traces, the shortest first, then greedily the farthest from those chosen."""
    pairs = {trace: _pairs(trace) for trace in traces}
    left = sorted(traces, key=lambda trace: (len(trace), trace))
    chosen = [left.pop(0)]
    while left and len(chosen) < most:
        best = max(left, key=lambda trace: min(_distance(pairs[trace], pairs[c]) for c in chosen))
        chosen.append(best)
        left.remove(best)
    return chosen


def _pairs(text: str) -> set[tuple[str, str]]:
    words = ["", *text.split(), ""]
    return set(pairwise(words))


def _distance(a: set[tuple[str, str]], b: set[tuple[str, str]]) -> float:
    return 1 - len(a & b) / len(a | b)
