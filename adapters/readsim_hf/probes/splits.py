"""Three disjoint splits a benchmark: probe, dev, test. The test split stays shut until it is opened."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple

from readsim.errors import CapabilityMissingError, ConfigError, unknown
from readsim.streams import generator
from readsim_hf.probes.items import Item, prompt_item
from readsim_hf.prompts.prompt import Prompt, Template

Split = Literal["probe", "dev", "test"]
SPLITS: tuple[Split, ...] = ("probe", "dev", "test")
SIZE = 64  # items of a probe
FLOOR = 32  # a smaller probe or dev split is filled up from the pool
FEW = 20  # items of a split: fewer are warned of, a score of half has a standard error of .11 and more
TRIES = 200  # draws of a new prompt before a template counts as exhausted
TEST_ONLY = "all items are test items"
_STREAM = {"probe": "items", "dev": "dev", "test": "test"}


class ItemSplits(NamedTuple):
    """The splits of one benchmark, and how they were made. `pool` may be trained on."""

    probe: tuple[Item, ...]
    dev: tuple[Item, ...]
    test: tuple[Item, ...]
    rule: str
    pool: tuple[Item, ...] = ()


class Sizes(NamedTuple):
    """Items of each split of a generated benchmark."""

    probe: int = SIZE
    dev: int = SIZE
    test: int = 4 * SIZE


def split_items(
    items: Sequence[Item], train: Sequence[Item] = (), *, size: int = SIZE, floor: int = FLOOR
) -> ItemSplits:
    """Splits of a benchmark that is a set of items.

    With `train` (training or validation data), a stable hash sends 10 % of it to probe and 10 % to
    dev, the rest is the pool, and `items` is the test split; probe and dev are filled up to `floor`
    from the pool, never from test. Without it the hash sends `items` 10 / 10 / 80 to probe, dev and
    test. Probe and dev keep at most `size` items. A question that occurs twice counts once.
    """
    test = _distinct(items, set())
    source = _distinct(train, {item.key for item in test}) if train else test
    order = sorted(source, key=_rank)
    probe = [item for item in order if _rank(item) < 0.1]
    dev = [item for item in order if 0.1 <= _rank(item) < 0.2]
    rest = [item for item in order if _rank(item) >= 0.2]
    if not train:
        return ItemSplits(
            tuple(probe[:size]), tuple(dev[:size]), tuple(rest), "hash split of one set"
        )
    more_probe, more_dev = max(0, floor - len(probe)), max(0, floor - len(dev))
    probe += rest[:more_probe]
    dev += rest[more_probe : more_probe + more_dev]
    pool = rest[more_probe + more_dev :]
    rule = "hash split of the non-test data"
    return ItemSplits(tuple(probe[:size]), tuple(dev[:size]), tuple(test), rule, tuple(pool))


def cut_items(items: Sequence[Item], sizes: Sizes) -> ItemSplits:
    """Splits of a user's items: a stable hash sends each to probe, dev or test, in the proportion of `sizes`,
    so that an item that is added moves no other; a split takes at most its size, the rest is the pool.

    Probe and dev have at least 2 where there are 6 items. A question that occurs twice counts once.
    """
    order = ranked(_distinct(items, set()))
    whole = sum(sizes)
    first, second = sizes.probe / whole, (sizes.probe + sizes.dev) / whole
    probe = [item for item in order if _rank(item) < first]
    dev = [item for item in order if first <= _rank(item) < second]
    test = [item for item in order if _rank(item) >= second]
    for short in (probe, dev):  # few items: what is lacking comes from the larger splits
        while len(short) < 2 < len(test):
            short.append(test.pop(0))
    for other in (dev, probe):
        while len(test) < 2 < len(other):
            test.append(other.pop())
    pool = (*probe[sizes.probe :], *dev[sizes.dev :], *test[sizes.test :])
    first_ones = tuple(probe[: sizes.probe]), tuple(dev[: sizes.dev]), tuple(test[: sizes.test])
    return ItemSplits(*first_ones, "hash split of the user's items", pool)


def ranked(items: Iterable[Item]) -> list[Item]:
    """Items in the fixed shuffle that splits are cut from."""
    return sorted(items, key=_rank)


def only_test(items: Sequence[Item]) -> ItemSplits:
    """All items as the test split: of a capability that no probe shows before the end."""
    return ItemSplits((), (), tuple(_distinct(items, set())), TEST_ONLY)


def draw_items(
    benchmark: str,
    templates: Sequence[Template],
    seed: int,
    *path: int,
    sizes: Sizes | None = None,
    avoid: Iterable[str] = (),
) -> ItemSplits:
    """Splits of a generated benchmark, each drawn on its own stream; the templates take turns.

    `path` tells the streams of benchmarks apart. No two items ask the same, and none has a key in
    `avoid`. Raises ConfigError where the templates cannot make that many different prompts.
    """
    seen = set(avoid)
    drawn: dict[str, tuple[Item, ...]] = {}
    for split, n in zip(SPLITS, sizes or Sizes(), strict=True):
        rng = generator(seed, _STREAM[split], *path)
        items: list[Item] = []
        turn = list(templates)
        while len(items) < n and turn:
            template = turn.pop(0)
            for _ in range(TRIES):
                item = prompt_item(benchmark, template.make(rng))
                if item.key not in seen:
                    seen.add(item.key)
                    items.append(item)
                    turn.append(template)
                    break
        if len(items) < n:
            raise ConfigError(
                f"benchmark {benchmark!r}: asked for {n} {split} items, but its templates make only "
                f"{len(items)} more prompts that differ; ask for fewer or add templates"
            )
        drawn[split] = tuple(items)
    return ItemSplits(drawn["probe"], drawn["dev"], drawn["test"], "drawn separately")


class Splits:
    """The splits of all benchmarks. Nothing changes after construction but whether test is open.

    Raises ConfigError where two splits of a benchmark share an item, by id or by folded text, or a
    split has fewer than two items (no standard error could be given); splits made by `only_test` have
    no probe and dev items.
    """

    def __init__(self, parts: Mapping[str, ItemSplits]) -> None:
        self._parts = dict(parts)
        self._opened = False
        for name, part in self._parts.items():
            _check(name, part)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        return tuple(self._parts)

    def open_test(self) -> None:
        """Let test items be read: the run is over."""
        self._opened = True

    def seal(self) -> None:
        """Shut the test split again, for the next run."""
        self._opened = False

    def items(self, benchmark: str, split: Split) -> tuple[Item, ...]:
        """Items of one split. Raises CapabilityMissingError for test before `open_test`."""
        if benchmark not in self._parts:
            raise unknown("benchmark", benchmark, self._parts)
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        if split == "test" and not self._opened:
            raise CapabilityMissingError(
                f"the test items of {benchmark!r} cannot be read before the final evaluation"
            )
        return _of(self._parts[benchmark], split)

    def pool(self, benchmark: str) -> tuple[Item, ...]:
        """Items of the benchmark that are in no split: training prompts may be made of them."""
        return self._parts[benchmark].pool

    def rule(self, benchmark: str) -> str:
        """How the splits of the benchmark were made."""
        return self._parts[benchmark].rule

    def sizes(self, split: Split) -> dict[str, int]:
        """Items of each benchmark in a split."""
        return {name: len(_of(part, split)) for name, part in self._parts.items()}

    def held_out(self) -> frozenset[str]:
        """Keys (`Prompt.key`) of every item of every split: nothing with one may be trained on."""
        parts = self._parts.values()
        return frozenset(i.key for p in parts for i in (*p.probe, *p.dev, *p.test))

    def keys(self, split: Split) -> frozenset[str]:
        """Keys (`Prompt.key`) of the items of one split; of the test split too: they reveal nothing."""
        return frozenset(i.key for p in self._parts.values() for i in _of(p, split))

    def questions(self, *, generated: bool) -> Iterator[str]:
        """What is asked in every split by generated items, or by the others: for the leak filter,
        which keeps hashes only."""
        for part in self._parts.values():
            for items in part[:3]:
                yield from (item.asked for item in items if item.is_prompt == generated)

    def prompts(self, split: Split) -> list[Prompt]:
        """The generated prompts among the items of a split, the benchmarks in turn."""
        each = [[i for i in self.items(n, split) if i.is_prompt] for n in self.benchmarks]
        return [i.prompt for turn in zip_longest(*each) for i in turn if i is not None]

    def digest(self) -> dict[str, str]:
        """SHA-256 of the ids in each split, for the run's manifest; it does not reveal them."""
        return {
            split: hashlib.sha256(
                "\n".join(
                    f"{name} {item.id}"
                    for name in sorted(self._parts)
                    for item in _of(self._parts[name], split)
                ).encode()
            ).hexdigest()
            for split in SPLITS
        }


def few_items(splits: Splits) -> list[str]:
    """A warning on one line where splits have fewer than FEW items, if any has: of which benchmark how many.
    A split that the benchmark does not have does not count."""
    sizes = {split: splits.sizes(split) for split in SPLITS}
    small = []
    for name in splits.benchmarks:
        few = [f"{n} {s}" for s in SPLITS if 0 < (n := sizes[s][name]) < FEW]
        small += [f"{name} has {', '.join(few)}"] if few else []
    if not small:
        return []
    advice = "give more items, or divide them otherwise ([probes] probe, dev, test)"
    found = "; ".join(small)
    return [f"warning: fewer than {FEW} items in a split measure little: {found} items; {advice}"]


def _of(part: ItemSplits, split: Split) -> tuple[Item, ...]:
    return {"probe": part.probe, "dev": part.dev, "test": part.test}[split]


def _rank(item: Item) -> float:
    """Place of an item in a fixed shuffle, in [0, 1): it depends on the item alone."""
    digest = hashlib.sha256(f"split {item.id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _distinct(items: Iterable[Item], seen: set[str]) -> list[Item]:
    """The items whose question was not seen before."""
    kept = []
    for item in items:
        if item.key not in seen:
            seen.add(item.key)
            kept.append(item)
    return kept


def _check(name: str, part: ItemSplits) -> None:
    owner: dict[str, str] = {}
    for split in SPLITS:
        items = _of(part, split)
        if part.rule == TEST_ONLY and split != "test":
            continue
        if len(items) < 2:
            raise ConfigError(
                f"benchmark {name!r}: {len(items)} {split} items; at least 2 are needed in each split "
                f"(items that differ, in all: {sum(len(_of(part, s)) for s in SPLITS)})"
            )
        for item in items:
            for mark in (item.id, item.key):
                if mark in owner:
                    raise ConfigError(
                        f"benchmark {name!r}: item {item.id} is in {owner[mark]} and in {split}, or "
                        "asks the same as one there; splits are disjoint"
                    )
            owner[item.id] = owner[item.key] = split
