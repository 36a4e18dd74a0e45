"""A preflight on the terminal: a few lines at the start of each run, tables for `--check`."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table

from readsim.token_counts import show_tokens
from readsim_hf.check.answers import Answers
from readsim_hf.check.on_items import evaluations_of
from readsim_hf.check.preflight import FreeCheck, PaidCheck
from readsim_hf.check.prompts import IGNORED, View
from readsim_hf.check.served import APART, GAP, NEW, ServedComparison
from readsim_hf.check.served import PROMPTS as SERVED
from readsim_hf.components import Components
from readsim_hf.text_lengths import lengths, reader

_END = 60  # characters of a prompt's end that are shown
_NEAR = (
    12  # tokens shown at the start of a prompt, and on both sides of where training begins and ends
)


def say_line(console: Console, line: str) -> None:
    """A line as it is, but for characters that would command the terminal."""
    console.print(line, highlight=False, soft_wrap=True)


def show_short(console: Console, free: FreeCheck) -> None:
    """Two lines for each run."""
    if not free.views:
        return
    fine = all(view.same_ids for view in free.views)
    probed = f"probes {'send' if fine else 'do not send'} the ids that are trained on; "
    say_line(
        console,
        f"check: {len(free.views)} prompts of {', '.join(str(len(v.student)) for v in free.views)} tokens; "
        f"{probed if any(view.probe for view in free.views) else ''}of the first, "
        f"{free.views[0].trained!r} is trained",
    )
    if free.loss is not None:
        say_line(console, f"check: {_loss(free)}")


def _loss(free: FreeCheck) -> str:
    assert free.loss is not None
    loss = free.loss
    return (
        f"the student against itself loses {abs(loss.loss):.2g} nats a token over {loss.tokens} tokens "
        f"({loss.objective}; bound {loss.bound:g})"
    )


def show_free(console: Console, free: FreeCheck) -> None:
    """Each prompt side by side, with mask and labels."""
    for view in free.views:
        console.print(_side_by_side(view))
        say_line(
            console,
            f"trained: {view.trained!r}" + ("" if view.gold else " (made up: no gold answer)"),
        )
        if view.probe:
            same = "the same" if view.same_ids else "OTHER"
            say_line(console, f"a probe of this prompt sends {same} ids as training reads")
        if not view.same_ids:
            say_line(console, f"probe: {view.probe}")
    if free.loss is not None:
        say_line(console, _loss(free))


def _side_by_side(view: View) -> Table:
    """Positions as columns of text and ids: the teacher's, the student's batch, mask and label."""
    title = f"{view.template} ({view.form})"
    names = ("", "teacher", "id", "student", "id", "mask", "trained to say")
    table = Table(*(Column(name, overflow="fold") for name in names), title=title)
    start = view.mask.index(1)
    positions = [n for n, t in enumerate(view.labels) if t != IGNORED]
    said = dict(zip(positions, view.trained_pieces, strict=True))
    size = max(len(view.teacher), len(view.read) - start)
    near = {p - start for p in (positions[0], positions[-1])} if positions else {size - 1}
    kept = [n for n in range(size) if n < _NEAR or any(abs(n - m) < _NEAR for m in near)]
    for before, row in zip([-1, *kept], kept, strict=False):
        if row > before + 1:
            table.add_row("...")
        at = row + start
        told, read = row < len(view.teacher), at < len(view.read)
        table.add_row(
            str(row),
            repr(view.teacher_pieces[row]) if told else "",
            str(view.teacher[row]) if told else "",
            repr(view.read_pieces[at]) if read else "",
            str(view.read[at]) if read else "",
            str(view.mask[at]) if read else "",
            f"{view.labels[at]} {said[at]!r}" if at in said else "",
        )
    return table


def show_cost(console: Console, parts: Components, many: int) -> None:
    """What asking the teacher will take, before it is asked."""
    teacher = parts.teacher
    longest = teacher.decoding.max_new_tokens
    mean = lengths(
        parts.library,
        teacher.signal.form,
        reader(parts.pair.teacher_tokenizer),
        longest,
        parts.datasets,
    )
    asked, said = (many * float(mean.asks @ part) for part in (mean.prompt, mean.reply))
    where = (
        f"kept in {parts.data.cache}, where the run finds them" if parts.data.cache else "not kept"
    )
    names = [name for name, asks in zip(parts.sources, mean.asks, strict=True) if asks]
    if not names:
        say_line(console, "the teacher is not asked: all replies are given")
        return
    say_line(
        console,
        f"asking the teacher {many} prompts of each capability ({', '.join(names)}): about "
        f"{show_tokens(round(asked))} prompt and {show_tokens(round(said))} reply tokens, twice that at "
        f"most where replies are rejected; replies are {where}",
    )
    own = {source.name for source in parts.datasets if source.asks}
    if named := ", ".join(b.name for b in evaluations_of(parts, own)):
        say_line(
            console,
            f"and {many} items of {named} where these prompts have no gold answer",
        )
    if any(t.server is not None and t.known for t in parts.pair.teacher_sources):
        say_line(
            console,
            f"asking each served teacher {SERVED} of these again, the shortest, for at most {NEW} tokens of "
            "a greedy reply, which is not kept",
        )


def show_paid(console: Console, paid: PaidCheck) -> None:
    """Accuracy and rejected replies by capability, examples, served teachers, cost."""
    table = Table("capability", "right", "replies", "rejected", "why", title="the teacher")
    for name, answers in paid.answers.items():
        right = f"{answers.right} of {answers.judged}" if answers.judged else "no gold answer"
        count = sum(answers.rejected.values())
        why = ", ".join(f"{reason} {n}" for reason, n in answers.rejected.items())
        table.add_row(name, right, str(answers.replies), str(count), why)
    if not paid.answers:
        return  # nobody was asked
    console.print(table)
    for name, one in paid.scored.items():
        say_line(
            console,
            f"the teacher on {one.items} items of {name}: {100 * one.score:.1f} of 100 by {one.metric}",
        )
    for name, answers in paid.answers.items():
        _show_examples(console, name, answers)
    for compared in paid.served:
        _show_served(console, compared)
    spent = paid.cost
    say_line(
        console,
        f"the check took {spent['prompt_tokens']} prompt and {spent['generated_tokens']} reply tokens of the "
        f"teacher; {spent['cached']} replies were in the cache",
    )


def _show_examples(console: Console, capability: str, answers: Answers) -> None:
    for one in answers.kept if not answers.judged else ():
        say_line(console, f"reply ({capability}): ...{one.prompt[-_END:]!r} -> {one.reply!r}")
    for one in answers.examples:
        end = one.prompt[-_END:]
        gold = "none" if one.gold is None else repr(one.gold)
        say_line(
            console,
            f"rejected ({capability}, {one.reason}): ...{end!r} -> {one.reply!r}, {one.finish}; gold {gold}",
        )


def _show_served(console: Console, one: ServedComparison) -> None:
    equal = sum(a == b for a, b in one.lengths)
    if one.lengths:
        say_line(
            console,
            f"{one.model}: {equal} of {len(one.lengths)} prompts have the length that "
            "teacher_tokenizer gives",
        )
    if one.equal is not None and one.gap is not None:
        say_line(
            console,
            f"{one.model}: {one.equal} of {one.replies} greedy replies equal those of the model here; its "
            f"tokens are at most {one.gap:.2g} nats behind the likeliest (bound {GAP:g})",
        )
    if one.apart is not None:
        say_line(
            console,
            f"{one.model}: log-probabilities are {one.apart:.2g} nats apart (bound {APART:g})",
        )
    for line in one.words:
        say_line(console, line)


def show_failures(console: Console, failures: Sequence[str]) -> None:
    """One line each."""
    for line in failures:
        say_line(console, f"failed: {' '.join(line.split())}")
