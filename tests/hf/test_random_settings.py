"""Settings drawn at random: a run starts with them, or is refused in a line that names what is in the way."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from readsim.errors import ReadsimError
from tests.support.hf import NEEDS, char_pair

pytestmark = pytest.mark.extra(*NEEDS)

DRAWN = 300
STARTED = 6  # runs
TOKENS = 150  # of a decision, of which there are two
ADVICE = re.compile(r"\b(use|store|accepted|give|name|raise|lower|leave|needs|did you mean)\b")
# What a message may call a setting that was drawn, by its name here.
CALLED = {
    "signal": r"\bsignal\b|^method\b",
    "objective": r"\bobjective\b|\bterm\b|\bbehind '|^method\b|\bhidden\b",
    "on_policy": r"\bon_policy\b|'s text\b|own text\b",
    "soft.kind": r"\bsoft\b|\bsoft[._]kind\b|'sampled'",
    "decoding.temperature": r"\bdecoding\.temperature\b",
    "elicitation.traces": r"\btraces\b",
    "sampling.samples": r"\bsampling\.samples\b",
    "sampling.weights": r"\bsampling\.weights\b",
    "sampling.reward": r"\bsampling\.reward\b",
    "training.packing": r"\btraining\.packing\b",
    "training.lora_dropout": r"\blora_dropout\b",
    "training.batch": r"\btraining\.batch\b",
}
LEFT = "left out"
OTHERWISE: dict[str, tuple[Any, ...]] = {
    "signal": ("cot", "logit"),
    "objective": ("sft", "fkl", "mopd", "dpo"),
    "on_policy": (0.0, 0.5, 1.0),
    "soft.kind": ("full", "topk", "sampled", LEFT),
    "decoding.temperature": (1.0, LEFT),
    "elicitation.traces": (1, 4, LEFT),
    "sampling.samples": (2, None),
    "sampling.weights": ("label", LEFT),
    "sampling.reward": ("gold", LEFT),
    "training.packing": (False,),
    "training.lora_dropout": (0.0,),
    "training.batch": (32,),
}


def term(chance: random.Random, name: str) -> str:
    """An objective as a term of a sum: with a weight, on some words or some tokens, or plain."""
    inside = []
    if chance.random() < 0.25:
        inside.append(f"on={chance.choice(['own', 'teacher'])}")
    if chance.random() < 0.25:
        inside.append(f"tokens={chance.choice(['entropy', 'gap'])}")
        inside += ["drawn=1"] if chance.random() < 0.5 else []
    weight = chance.choice(["", "0.3*", "2*"])
    return f"{weight}{name}({', '.join(inside)})" if inside else f"{weight}{name}"


def drawn(chance: random.Random) -> dict[str, Any]:
    """A combination, by dotted names; None for what is as by default."""
    from readsim_hf.methods.table import METHODS
    from readsim_hf.objectives.table import OWN, TABLE, TASKS, TEXTS, WHOLE

    out: dict[str, Any] = {}
    if chance.random() < 0.4:
        out["method"] = chance.choice([n for n, one in METHODS.items() if not one.command])
    else:
        group = chance.choice([WHOLE, WHOLE, WHOLE, TASKS, TEXTS, OWN])
        names = chance.sample(sorted(TABLE), chance.choice([1, 1, 2, 3]))
        out["signal"] = chance.choice(group)
        out["objective"] = " + ".join(term(chance, name) for name in names)
    some: dict[str, tuple[float, tuple[Any, ...]]] = {
        "on_policy": (0.6, (0.0, 0.5, 1.0, 1.0)),
        "soft.kind": (0.6, ("full", "topk", "sampled")),
        "decoding.temperature": (0.4, (0.0, 1.0)),
        "elicitation.traces": (0.2, (1, 4)),
        "sampling.samples": (0.2, (1, 2, 5)),
        "sampling.weights": (0.15, ("dn", "gradient-share")),
        "sampling.reward": (0.1, ("judge",)),
        "training.batch": (0.2, (4,)),
        "training.micro_batch": (0.3, (1, 3)),
        "training.packing": (0.3, (True,)),
        "data.unit": (0.3, ("prompts", "loss")),
    }
    for name, (share, values) in some.items():
        if chance.random() < share and ("method" not in out or name != "on_policy"):
            out[name] = chance.choice(values)
    if chance.random() < 0.4:
        out |= {"training.lora": 4, "training.lora_dropout": chance.choice([0.0, 0.0, 0.1])}
    return out


@cache
def plain() -> Any:
    """The settings that are not drawn: those of the shipped pair, in small."""
    from readsim_hf.config import RunConfig, preset_table

    small = {
        "budget": 2 * TOKENS,
        "steps": 2,
        "probes": {"probe": 2, "dev": 2, "test": 2, "max_new_tokens": 4},
        "decoding": {"max_new_tokens": 24},
        "data": {"group": 4, "keep_cut": True},
    }
    return RunConfig.of(preset_table("nano"), small)


def configured(settings: dict[str, Any]) -> Any:
    """The settings of a run, with all checks of their own; a method says whose text there is."""
    from readsim_hf.methods.table import METHODS

    given: dict[str, Any] = {"method": settings.get("method", "")}
    if given["method"]:
        given["on_policy"] = METHODS[given["method"]].on_policy
    inner: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        head, _, tail = name.partition(".")
        if tail:
            inner.setdefault(head, {})[tail] = value
        else:
            given[head] = value
    parts = {head: replace(getattr(plain(), head), **values) for head, values in inner.items()}
    return replace(plain(), **given, **parts)


def looked_at(settings: dict[str, Any]) -> str:
    """What a run says of them before it loads a model; "" where it goes on."""
    from readsim_hf.first_look import first_look
    from readsim_hf.prompt_selection import suffixes_of
    from readsim_hf.prompts.nano.library import nano_library
    from readsim_hf.supervision import check_tokens, supervision

    try:
        config = configured(settings)
        first_look(config)
        check_tokens(config, same=True, several=False)
        signal, _, _ = supervision(config)
        suffixes_of(config, nano_library().style, signal)
    except ReadsimError as error:
        return str(error)
    return ""


def complaint(said: str) -> str:
    """A message without the values in it."""
    return re.sub(r"'[^']*'|[\d.]+", "_", said)


def combinations() -> list[dict[str, Any]]:
    chance = random.Random(18)
    return [drawn(chance) for _ in range(DRAWN)]


@cache
def accepted() -> list[dict[str, Any]]:
    """The combinations that a run goes on with."""
    return [settings for settings in combinations() if not looked_at(settings)]


def with_others(settings: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    """The combination with other values of the settings of these names, one of each at a time."""
    from readsim_hf.methods.table import METHODS

    if method := settings.get("method"):
        made = METHODS[method]
        plain = {k: v for k, v in settings.items() if k != "method"}
        inside = ",".join(f"{k}={v}" for k, v in made.settings.items())
        objective = f"{made.objective}({inside})" if inside else made.objective
        given = {"signal": made.signal, "objective": objective, "on_policy": made.on_policy}
        settings = {**given, **plain}
    for values in product(*(OTHERWISE[name] for name in names)):
        other = {**settings, **dict(zip(names, values, strict=True))}
        yield {name: value for name, value in other.items() if value != LEFT}


def test_each_is_accepted_or_refused_by_what_is_in_the_way() -> None:
    accepted, messages = 0, set()
    for settings in combinations():
        said = looked_at(settings)
        if not said:
            accepted += 1
            continue
        messages.add(said)
        assert "\n" not in said, settings
        assert ADVICE.search(said), (settings, said)
        named = [name for name, words in CALLED.items() if re.search(words, said)]
        assert named, (settings, said)
        others = map(looked_at, with_others(settings, named))
        assert any(complaint(other) != complaint(said) for other in others), (settings, said)
    assert accepted > 30
    assert len(messages) > 40


def taken(settings: dict[str, Any], library: Any) -> str:
    """What stops the first window of a run on a random pair; "" where it is trained on."""
    from readsim_hf.backend import HFBackend
    from readsim_hf.components import build_components

    try:
        config = configured(settings)
        backend = HFBackend(build_components(config, char_pair(), library), config.budget)
        backend.reset(0)
        shares = np.array([0.5, 0.5])
        examples = backend._feed.window(shares, np.zeros(2), TOKENS, config.training.batch, 0.0)
        window = backend.student.train_window(examples, 0.0)
    except ReadsimError as error:
        return str(error)
    assert window.tokens > 0
    assert np.isfinite([window.loss, window.gradient]).all(), settings
    assert all(bool(weights.isfinite().all()) for weights in backend.student.parameters), settings
    return ""


@pytest.mark.usefixtures("right_by_chance")
@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_what_is_accepted_is_built_and_takes_a_window() -> None:
    """All of them; what a random pair has nothing to learn from is said in a line with what to do."""
    from readsim_hf.prompts.library import Library
    from readsim_hf.prompts.nano.library import nano_library

    whole, started = nano_library(), 0
    some = {name: whole.templates[name][:3] for name in ("general", "math")}
    for settings in accepted():
        said = taken(settings, Library("nano", whole.style, some))
        started += not said
        assert "\n" not in said, settings
        assert not said or ADVICE.search(said), (settings, said)
    assert started > len(accepted()) - 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_what_is_accepted_runs() -> None:
    """A few of them, no two with one objective, on the shipped pair."""
    from readsim_hf.backend import HFBackend
    from readsim_hf.components import build_components, pair_of
    from readsim_hf.objectives.sums import terms_in
    from readsim_hf.supervision import named_supervision

    chosen: dict[frozenset[str], dict[str, Any]] = {}
    for settings in accepted():
        _, objective = named_supervision(configured(settings))
        chosen.setdefault(frozenset(type(t).__name__ for t in terms_in(objective)), settings)
    assert len(chosen) > STARTED
    for settings in random.Random(0).sample(list(chosen.values()), STARTED):
        config = configured(settings)
        backend = HFBackend(build_components(config, pair_of(config)), config.budget)
        backend.reset(0)
        shares = np.full(len(backend.sources), 1 / len(backend.sources))
        for step in range(2):
            usage = backend.run_interval(step, shares, TOKENS).token_usage
            assert usage["student"] == TOKENS, settings
        for weights in backend.student.parameters:
            assert bool(weights.isfinite().all()), settings
