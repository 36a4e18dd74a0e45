"""How long prompts, replies, questions and answers are in tokens, of samples of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.arrays import Array
from readsim.streams import generator
from readsim_hf.config import RunConfig
from readsim_hf.probes.benchmark import Benchmark
from readsim_hf.probes.splits import SPLITS, Splits
from readsim_hf.prompts.library import Form, Library
from readsim_hf.prompts.prompt import Prompt, Template
from readsim_hf.source_selection import NO_GOLD
from readsim_hf.sources.opened import Source
from readsim_hf.store.manifest import Manifest
from readsim_hf.teachers.encoding import encode

SAMPLE = 64  # prompts of each capability that lengths are estimated from, the templates in turn


class Reader(NamedTuple):
    """How a model counts tokens: `ask` of a prompt as it is sent, `say` of a reply without its end."""

    ask: Callable[[str], int]
    say: Callable[[str], int]


def reader(tokenizer: Tokenizer) -> Reader:
    """Of a tokenizer."""
    return Reader(
        lambda text: len(encode(tokenizer, text)),
        lambda text: len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]),
    )


class Lengths(NamedTuple):
    """Mean tokens by source (S,) of a prompt, and of a reply with its end token; the longest prompt; and of
    which sources the teacher is asked (1, else 0: replies are given); and of each source the tokens of
    some replies."""

    prompt: Array
    reply: Array
    longest: int
    asks: Array
    replies: tuple[Array, ...] = ()


def lengths(
    library: Library, form: Form, read: Reader, longest: int, datasets: Sequence[Source] = ()
) -> Lengths:
    """By source, (S,): of SAMPLE prompts of each capability and their gold replies, which `longest` cuts,
    then of SAMPLE rows of each data set and their given replies."""
    means, most, replies = [], 0, list[Array]()
    for place, templates in enumerate(library.templates.values()):
        prompts = _sample(templates, place)
        asked = [read.ask(library.style.ask(prompt, form)) for prompt in prompts]
        gold = [gold_reply(p, form, library.style.mark) for p in prompts if p.answer is not None]
        said = [min(read.say(text) + 1, longest) for text in gold]
        means.append((np.mean(asked), np.mean(said) if said else NO_GOLD * longest))
        replies.append(_of_some(said, longest))
        most = max(most, *asked)
    for source in datasets:
        rows = source.sample(SAMPLE)
        asked = [read.ask("\n".join(str(m["content"]) for m in row.messages)) for row in rows]
        said = [_taught(row, read) for row in rows if row.reply is not None]
        means.append((np.mean(asked), np.mean(said) if said else NO_GOLD * longest))
        replies.append(_of_some(said, longest))
        whole = [a + s - longest for a, s in zip(asked, said, strict=False)]
        most = max(most, *asked, *whole)  # a sequence is taken to be `longest` longer
    prompt, reply = np.array(means, dtype=float).T
    asks = [1.0] * len(library.templates) + [float(source.asks) for source in datasets]
    return Lengths(prompt, reply, most, np.array(asks), tuple(replies))


def _of_some(said: Sequence[int], longest: int) -> Array:
    """Tokens of replies; half of the longest where none is known."""
    return np.array([float(n) for n in said] or [NO_GOLD * longest])


class Probing(NamedTuple):
    """What measuring takes: mean tokens of a question and of its answer; items of each split that a judge
    grades, and mean tokens that it reads and writes for one; the tokens of each answer."""

    question: float
    answer: float
    graded: Mapping[str, int]
    grade: float
    answers: Array


def _taught(prompt: Prompt, read: Reader) -> int:
    """Supervised tokens of a row with a given reply: of the reply and of the earlier turns."""
    turns = [str(prompt.messages[n]["content"]) for n in prompt.taught]
    return sum(read.say(text) + 1 for text in (*turns, prompt.reply or ""))


def _sample(templates: Sequence[Template], place: int) -> list[Prompt]:
    return [
        templates[index % len(templates)].make(generator(0, "data", place, index))
        for index in range(max(SAMPLE, len(templates)))
    ]


def gold_reply(prompt: Prompt, form: Form, mark: str) -> str:
    """What a right reply says: the answer, after its rationale where the form asks for one."""
    steps = prompt.rationale if form != "answer" else None
    return f"{steps}{mark}{prompt.answer}" if steps else str(prompt.answer)


def probe_lengths(
    library: Library,
    benchmarks: Sequence[Benchmark],
    splits: Splits,
    config: RunConfig,
    read: Reader,
) -> Probing:
    """Of the probe split's own items.

    An item of a benchmark file counts its question alone, without examples before it, and half of the
    longest answer; a judge writes half of its longest reply.
    """
    form, longest = config.probes.form, config.probes.max_new_tokens
    style, questions, answers, grades = library.style, [], [], []
    graded: dict[str, int] = dict.fromkeys(SPLITS, 0)
    for benchmark in benchmarks:
        judge = benchmark.judge
        for split in SPLITS if judge is not None else ():
            graded[split] += splits.sizes(split)[benchmark.name]
        for item in splits.items(benchmark.name, "probe"):
            gold = item.prompt.answer if item.is_prompt else None
            questions.append(
                read.ask(style.ask(item.prompt, form) if item.is_prompt else item.asked)
            )
            said = NO_GOLD * longest
            if gold is not None:
                said = min(read.say(gold_reply(item.prompt, form, style.mark)) + 1, longest)
            answers.append(said)
            if judge is not None:
                sent = read.say(judge.text(item.data, "")) + said
                grades.append(sent + NO_GOLD * config.probes.judge.max_new_tokens)
    grade = float(np.mean(grades)) if grades else 0.0
    each = np.array(answers, dtype=float)
    return Probing(float(np.mean(questions)), float(each.mean()), graded, grade, each)


def stored_lengths(manifest: Manifest) -> Lengths:
    """Of a store's prompts and replies."""
    sums = [manifest.totals(source) for source in manifest.sources]
    prompt = np.array([s["teacher_prompt"] / max(s["prompts"], 1) for s in sums])
    reply = np.array([s["tokens"] / max(s["replies"], 1) for s in sums])
    each = tuple(np.array([mean]) for mean in reply)
    return Lengths(prompt, reply, round(float(prompt.max())), np.ones(len(sums)), each)
