"""The preflight of a run: the free part, which starts every run, and the part that asks the teacher."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from readsim.errors import ReadsimError
from readsim.tree_file import write_atomic
from readsim_hf.check.answers import WEAK, Answers, ask_teacher, first_prompts
from readsim_hf.check.gold import trained_on
from readsim_hf.check.measured import gold_failures
from readsim_hf.check.on_items import OnItems, teacher_on_items
from readsim_hf.check.prompts import View, views
from readsim_hf.check.self_loss import SelfLoss, self_loss
from readsim_hf.check.served import ServedComparison, compare_served
from readsim_hf.components import Components
from readsim_hf.config import RunConfig
from readsim_hf.training.saved import writing

PROMPTS = 3  # shown side by side


@dataclass(frozen=True)
class FreeCheck:
    """What can be checked without asking the teacher."""

    views: Sequence[View]
    loss: SelfLoss | None
    problem: str  # why there is no loss
    gold: Sequence[str] = ()  # reference answers that their own metric calls wrong

    @property
    def failures(self) -> list[str]:
        """One line for each check that failed."""
        out = [*self.gold]
        if not self.views:
            out.append("prompts: none of the first prompts of a capability can be trained on")
        for view in self.views:
            what = f"{view.template}"
            if not view.same_ids:
                out.append(f"ids: {what}: {_first_difference(view)}")
            if not view.aligned:
                out.append(
                    f"labels: {what}: trained are {view.trained!r}, the signal supervises {view.spanned!r}, "
                    "or a label does not stand where the next token is read"
                )
        if self.loss is None:
            out += [f"self-loss: {self.problem}"] if self.problem else []
        elif not self.loss.ok:
            out.append(
                f"self-loss: the student against itself loses {self.loss.loss:.3g} nats a token "
                f"({self.loss.objective}), bound {self.loss.bound:g}: labels, mask or padding are wrong"
            )
        return out

    def table(self) -> dict[str, Any]:
        """Plain data."""
        loss = None if self.loss is None else {**asdict(self.loss), "ok": self.loss.ok}
        return {
            "prompts": [view.table() for view in self.views],
            "self_loss": loss,
            "failures": self.failures,
        }


def _first_difference(view: View) -> str:
    """In words, where a probe and training part."""
    trained, probe = view.student, view.probe
    at = next(
        (n for n, (a, b) in enumerate(zip(trained, probe, strict=False)) if a != b),
        min(len(trained), len(probe)),
    )
    return (
        f"training reads {len(trained)} tokens before a reply, a probe of the prompt sends {len(probe)}; "
        f"they differ from token {at} on (training {trained[at : at + 4]}, probe {probe[at : at + 4]})"
    )


def free_check(parts: Components) -> FreeCheck:
    """Ids, labels and self-loss on a few prompts with gold replies: no token of the teacher's."""
    gold = gold_failures(parts.suite.benchmarks, parts.suite.splits)
    trained = trained_on(parts, PROMPTS)
    if not trained:
        return FreeCheck([], None, "", gold)
    seen = views(parts, trained)
    try:
        return FreeCheck(seen, self_loss(parts, [t.example for t in trained]), "", gold)
    except ReadsimError as error:
        return FreeCheck(seen, None, str(error), gold)


@dataclass(frozen=True)
class PaidCheck:
    """What the teacher said. `cost`: tokens that were paid for, replies that the cache had before.
    `scored`: by evaluation, of capabilities whose prompts have no gold answers."""

    answers: dict[str, Answers]
    served: Sequence[ServedComparison]
    cost: dict[str, int]
    scored: dict[str, OnItems] = field(default_factory=dict)

    @property
    def failures(self) -> list[str]:
        """One line for each check that failed."""
        return [f"agreement: {line}" for one in self.served for line in one.failures]

    @property
    def warnings(self) -> list[str]:
        """One line for each capability in which the teacher is weak, or nothing says whether it is."""
        known = {one.capability for one in self.scored.values()}
        weak = {
            f"right on {a.right} of {a.judged} {name} prompts": a.right / a.judged
            for name, a in self.answers.items()
            if a.judged
        }
        weak |= {
            f"right by {one.metric} on {one.items} items of {name}": one.score
            for name, one in self.scored.items()
        }
        return [
            f"the teacher is {where} ({100 * share:.0f} %): the student learns its mistakes too"
            for where, share in weak.items()
            if share < WEAK
        ] + [
            f"nothing says how good the teacher's {name} replies are: there is neither a gold answer nor an "
            "evaluation of yours that reads text; read the replies above"
            for name, answers in self.answers.items()
            if not answers.judged and name not in known
        ]

    def table(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "accuracy": {name: answers.table() for name, answers in self.answers.items()},
            "served": [one.table() for one in self.served],
            "cost": self.cost,
            "evaluations": {name: one.table() for name, one in self.scored.items()},
            "failures": self.failures,
            "warnings": self.warnings,
        }


def paid_check(parts: Components, config: RunConfig, many: int) -> PaidCheck:
    """Ask the first `many` prompts of each capability, as the run will, and as many items of evaluations
    where these have no gold answers; compare served teachers."""
    parts.open_cache()
    prompts = first_prompts(parts, config.seed, many)
    before = asdict(parts.teacher.counts)
    answers = ask_teacher(parts, prompts)
    scored = teacher_on_items(parts, [n for n, a in answers.items() if not a.judged], many)
    after = asdict(parts.teacher.counts)
    spent = {k: after[k] - before[k] for k in ("prompt_tokens", "generated_tokens", "cached")}
    served = compare_served(parts, config.pair, [p for some in prompts.values() for p in some])
    for one in served:
        spent["prompt_tokens"] += one.cost[0]
        spent["generated_tokens"] += one.cost[1]
    return PaidCheck(answers, served, spent, scored)


def save_check(path: Path, identity: str, free: FreeCheck, paid: PaidCheck | None) -> None:
    """As JSON at `path`. What the teacher said in an earlier check of the same identity is kept.

    RunLogError where it cannot be written.
    """
    table: dict[str, Any] = {"identity": identity, "free": free.table()}
    if paid is not None:
        table["teacher"] = paid.table()
    else:
        try:
            old = json.loads(path.read_text(encoding="utf-8"))
            if old["identity"] == identity and "teacher" in old:
                table["teacher"] = old["teacher"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # there is none
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(table, indent=1).encode())
