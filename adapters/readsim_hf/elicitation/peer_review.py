"""Teachers review each other's replies (FAIR, arXiv 2410.03663)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, Request, Voices, asked_text
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

REVIEW = (
    "Question: {question}\n\nA solution: {reply}\n\nHow sound is its reasoning, from 1 (not at all) to 10 "
    "(wholly)? Finish with a line that says 'Score:' and the number."
)
_SCORE = re.compile(
    r"score[^\w\n([]*(?:[([][^)\]\n]*[)\]])?[^\w\n]{0,6}(?:is )?(\d+(?:\.\d+)?)", re.IGNORECASE
)


@dataclass(frozen=True)
class PeerReview(Elicitation):
    """Each teacher replies, the others score the reply; the best one whose mean score is `score` or more, and
    whose answer is not wrong, is learned.

        x -> argmax_i mean_{j != i} s_j(y_i),   where the maximum >= `score`;  s from 1 to 10

    Teachers are those of [pair.teachers], whatever their capability; a lone teacher reviews `traces` replies
    of its own. A judge that gives no score is not counted; a reply without any score is not learned. Equal
    scores: the first teacher's. The paper also has teachers explain the student's errors: see `Corrected`.

    T teachers: T replies and T (T - 1) reviews a prompt, the reviews charged as judge; a lone one: n of each.
    Needs teachers that write prose; tried with made-up teachers only.
    """

    name: str = "peer-review"
    form: Form = "rationale"
    prose = True
    reads = ("traces", "score")
    tries = False

    def draws(self, teachers: int) -> int:
        """See `Elicitation`: those of a lone teacher; several say something else each."""
        return 1 if teachers > 1 else self.settings.traces

    def reads_of(self, teachers: int) -> tuple[str, ...]:
        """See `Elicitation`: several teachers reply once each."""
        return ("score",) if teachers > 1 else self.reads

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        style, peers = voices.style, voices.peers
        many = len(peers) if len(peers) > 1 else self.settings.traces
        authors = [(peers[k], 0) if len(peers) > 1 else (None, k) for k in range(many)]
        asked = [
            Request(_to(prompt, author), asked_text(prompt, style, self.form), draw)
            for author, draw in authors
            for prompt in prompts
        ]
        said = voices.tell(asked)
        replies = {
            (k, n): text
            for k in range(many)
            for n in range(len(prompts))
            if (text := said[k * len(prompts) + n]) and voices.right(prompts[n], text) is not False
        }
        reviews = [
            (k, n, judge)
            for k, n in replies
            for judge in (peers if len(peers) > 1 else (None,))
            if len(peers) == 1 or judge != peers[k]
        ]
        told = voices.tell(
            [
                Request(
                    _to(prompts[n], judge),
                    REVIEW.format(question=prompts[n].whole, reply=replies[k, n]),
                )
                for k, n, judge in reviews
            ],
            "judge",
        )
        scores: dict[tuple[int, int], list[float]] = {}
        for (k, n, _), text in zip(reviews, told, strict=True):
            if (score := score_in(text)) is not None:
                scores.setdefault((k, n), []).append(score)
        return [self._best(n, prompts[n], replies, scores) for n in range(len(prompts))]

    def _best(
        self,
        n: int,
        prompt: Prompt,
        replies: dict[tuple[int, int], str],
        scores: dict[tuple[int, int], list[float]],
    ) -> Lessons:
        there = [key for key in replies if key[1] == n]
        if not there:
            return "no teacher gave a usable reply"
        mean = {key: sum(scores[key]) / len(scores[key]) for key in there if key in scores}
        if not mean:
            return "no judge gave a score from 1 to 10"
        best = max(mean, key=lambda key: (mean[key], -key[0]))
        if mean[best] < self.settings.score:
            return "no reply has the score that is asked for"
        return [Lesson(prompt, replies[best])]


def _to(prompt: Prompt, peer: str | None) -> Prompt:
    """The prompt as one for that teacher of `Voices.peers`, of which "" is one; None for a lone teacher."""
    return prompt if peer is None else replace(prompt, capability=peer)


def score_in(text: str | None) -> float | None:
    """The last score that a judge names; None where it names none from 1 to 10."""
    found = _SCORE.findall(text or "")
    score = float(found[-1]) if found else 0.0
    return score if 1 <= score <= 10 else None
