"""How long prompts, replies, questions and answers are in tokens, of samples of them."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, takewhile
from operator import eq
from typing import Literal, NamedTuple

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
from readsim_hf.supervision import supervision
from readsim_hf.teachers.encoding import encode
from readsim_hf.teachers.heard import Heard, some_kept

BLOCK = 16  # tokens: vLLM keeps the keys and values of prompts, and finds them again, in blocks of so many
MANY, FEW = 20_000, 4  # replies of earlier runs: looked at, and needed of a source
SAMPLE = 64  # prompts of each capability that lengths are estimated from, the templates in turn


class Reader(NamedTuple):
    """How a model counts tokens: `ask` of a prompt as it is sent, `say` of a reply without its end; `spell`
    is what a prompt is made of, of which each piece is `size` tokens."""

    ask: Callable[[str], int]
    say: Callable[[str], int]
    spell: Callable[[str], Sequence[int]]
    size: float = 1.0


def reader(tokenizer: Tokenizer) -> Reader:
    """Of a tokenizer."""
    return Reader(
        lambda text: len(encode(tokenizer, text)),
        lambda text: len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]),
        lambda text: encode(tokenizer, text),
    )


# How the length of a source's replies is known: from the teacher's replies in an earlier run or check, from
# given ones, from the right ones that templates know, from a store; or not at all.
Known = Literal["measured", "given", "gold", "stored", "guess"]


class Lengths(NamedTuple):
    """Mean tokens by source (S,) of a prompt, and of a reply with its end token; the longest prompt; and of
    which sources the teacher is asked (1, else 0: replies are given); of each source the tokens of some
    replies; mean tokens (S,) with which a prompt begins as another one does (`read_before`); the tokens
    with which all of them begin; and how each source's reply is known."""

    prompt: Array
    reply: Array
    longest: int
    asks: Array
    replies: tuple[Array, ...]
    shared: Array
    head: float
    known: tuple[Known, ...]


class HeardTexts(NamedTuple):
    """By source: whole replies, and the parts of them that are trained on."""

    replies: Mapping[str, Sequence[str]]
    taught: Mapping[str, Sequence[str]]


NOTHING = HeardTexts({}, {})


def heard_before(config: RunConfig) -> HeardTexts:
    """What an earlier run or check with this signal left in `data.cache`, at most SAMPLE replies of a source;
    sources with fewer than FEW are left out."""
    signal, _, _ = supervision(config)
    found: dict[str, list[Heard]] = {}
    for one in some_kept(config.data.cache, MANY) if config.data.cache else ():
        if one.signal == signal.name:
            found.setdefault(one.capability, []).append(one)
    some = {name: own[:SAMPLE] for name, own in found.items() if len(own) >= FEW}
    return HeardTexts(
        {name: [one.reply for one in own] for name, own in some.items()},
        {name: [one.supervised for one in own] for name, own in some.items()},
    )


def lengths(
    library: Library,
    form: Form,
    read: Reader,
    longest: int,
    datasets: Sequence[Source] = (),
    heard: Mapping[str, Sequence[str]] | None = None,
) -> Lengths:
    """By source, (S,): of SAMPLE prompts of each capability and their gold replies, which `longest` cuts,
    then of SAMPLE rows of each data set and their given replies. Where the teacher's replies were `heard`,
    these are what counts."""
    means, most, replies, how = [], 0, list[Array](), list[Known]()
    spelt = list[list[Sequence[int]]]()

    def say(name: str, texts: Sequence[str]) -> list[int]:
        """Tokens of replies: of those that were heard, else of these."""
        texts = (heard or {}).get(name, texts)
        return [min(read.say(text) + 1, longest) for text in texts]

    def know(name: str, otherwise: Known, said: Sequence[int]) -> None:
        how.append("measured" if name in (heard or {}) else otherwise if said else "guess")

    for place, (name, templates) in enumerate(library.templates.items()):
        prompts = _sample(templates, place)
        texts = [library.style.ask(prompt, form) for prompt in prompts]
        asked = [read.ask(text) for text in texts]
        spelt.append([read.spell(text) for text in texts])
        gold = [gold_reply(p, form, library.style.mark) for p in prompts if p.answer is not None]
        said = say(name, gold)
        know(name, "gold", said)
        means.append((np.mean(asked), np.mean(said) if said else NO_GOLD * longest))
        replies.append(_of_some(said, longest))
        most = max(most, *asked)
    for source in datasets:
        rows = source.sample(SAMPLE)
        texts = ["\n".join(str(m["content"]) for m in row.messages) for row in rows]
        asked = [read.ask(text) for text in texts]
        spelt.append([read.spell(text) for text in texts])
        given = [_taught(row, read) for row in rows if row.reply is not None]
        said = say(source.name, ()) if source.asks else given
        know(source.name, "given", said)
        means.append((np.mean(asked), np.mean(said) if said else NO_GOLD * longest))
        replies.append(_of_some(said, longest))
        whole = [a + s - longest for a, s in zip(asked, given, strict=False)]
        most = max(most, *asked, *whole)  # a sequence is taken to be `longest` longer
    prompt, reply = np.array(means, dtype=float).T
    asks = [1.0] * len(library.templates) + [float(source.asks) for source in datasets]
    shared = np.array([np.mean(read_before(some, read.size)) for some in spelt])
    every = [list(one) for some in spelt for one in some]
    head = float(in_blocks(common_start(min(every), max(every)) * read.size))
    return Lengths(prompt, reply, most, np.array(asks), tuple(replies), shared, head, tuple(how))


def in_blocks(tokens: Array | float) -> Array:
    """The whole blocks of it."""
    found: Array = np.floor(np.asarray(tokens) / BLOCK) * BLOCK
    return found


def common_start(one: Sequence[int], other: Sequence[int]) -> int:
    """How many pieces both begin with."""
    return sum(1 for _ in takewhile(bool, map(eq, one, other)))


def read_before(prompts: Sequence[Sequence[int]], size: float = 1.0) -> Array:
    """Tokens (N,) with which each prompt begins as some other one does: what a server that caches prefixes
    has read already, whole blocks and never the last token. Of few prompts this is too little: more of them
    have more in common."""
    order = sorted(range(len(prompts)), key=lambda n: list(prompts[n]))
    same = np.zeros(len(prompts))
    for a, b in pairwise(order):
        both = common_start(prompts[a], prompts[b])
        for n in (a, b):
            same[n] = max(same[n], min(both, len(prompts[n]) - 1))
    return in_blocks(same * size)


def _of_some(said: Sequence[int], longest: int) -> Array:
    """Tokens of replies; half of the longest where none is known."""
    return np.array([float(n) for n in said] or [NO_GOLD * longest])


class Probing(NamedTuple):
    """What measuring takes: mean tokens of a question and of its answer; items of each split that a judge
    grades, and mean tokens that it reads and writes for one; the tokens of each answer; and whether
    answers of some items are guessed."""

    question: float
    answer: float
    graded: Mapping[str, int]
    grade: float
    answers: Array
    guessed: bool = False


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
    guessed = False
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
            guessed = guessed or gold is None
            if gold is not None:
                said = min(read.say(gold_reply(item.prompt, form, style.mark)) + 1, longest)
            answers.append(said)
            if judge is not None:
                sent = read.say(judge.text(item.data, "")) + said
                grades.append(sent + NO_GOLD * config.probes.judge.max_new_tokens)
    grade = float(np.mean(grades)) if grades else 0.0
    each = np.array(answers, dtype=float)
    return Probing(float(np.mean(questions)), float(each.mean()), graded, grade, each, guessed)


def stored_lengths(manifest: Manifest) -> Lengths:
    """Of a store's prompts and replies."""
    sums = [manifest.totals(source) for source in manifest.sources]
    prompt = np.array([s["teacher_prompt"] / max(s["prompts"], 1) for s in sums])
    reply = np.array([s["tokens"] / max(s["replies"], 1) for s in sums])
    each = tuple(np.array([mean]) for mean in reply)
    most, none = round(float(prompt.max())), np.zeros(len(sums))
    origin: list[Known] = ["stored"] * len(sums)
    return Lengths(prompt, reply, most, np.ones(len(sums)), each, none, 0.0, tuple(origin))
