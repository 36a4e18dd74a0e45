"""The world that a seed draws from a prior: one pure function, each part on a stream of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from readsim.arrays import Array, Mask
from readsim.errors import ConfigError, shown
from readsim.files import AnyPath
from readsim.streams import checked_seed, generator
from readsim.token_counts import show_tokens
from readsim.worlds.gains import GainBank, harm_grows_with_tokens
from readsim.worlds.prior.ranges import ALWAYS, FIELDS, Prior, load_prior
from readsim.worlds.task import FOCUS
from readsim.worlds.validation import MOST_NAMES
from readsim.worlds.world import World

BENT = (
    0.1  # least part of x that counts as harm at one budget: nearly straight curves have hardly any
)
SUBSTEPS = 2  # of a flow world: 40 in a run of 20 decisions
FLOW = ("forgetting", "gates", "drift", "process", "rehearsal", "formats")  # parts that need it

Fields = dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Drawing:
    """What the parts of a world read: the prior, the seed, and what all of them share."""

    prior: Prior
    seed: int
    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    floor: Array
    start: Array
    ceiling: Array
    unseen: int | None  # how many capabilities are hidden, where that is fixed

    @property
    def up(self) -> Array:
        """Room to the ceiling (K,)."""
        return self.ceiling - self.start

    @property
    def down(self) -> Array:
        """Room to the floor (K,)."""
        return self.start - self.floor

    def one(self, rng: np.random.Generator, part: str, field: str) -> float:
        return self.prior.parts[part].ranges[field].one(rng)

    def some(self, rng: np.random.Generator, part: str, field: str, *shape: int) -> Array:
        return self.prior.parts[part].ranges[field].draw(rng, *shape)


def draw_world(
    prior: Prior | AnyPath = "broad",
    seed: int = 0,
    *,
    sources: int | None = None,
    capabilities: int | None = None,
    hidden: int | None = None,
) -> World:
    """The world that `seed` draws from a prior: `broad`, a TOML file of ranges, or a `Prior`.

    `capabilities` K, `sources` S and how many capabilities are `hidden` may be fixed, as a policy's spaces
    are; S other than K are unmatched sources. Equal arguments give equal worlds, and each part is drawn on a
    stream of its own: what is changed in one leaves the others as they were.

    Strengths mean one budget of the prior: after it on source i alone, the latent sum of j has moved by the
    size that was drawn, whatever the gain family and its bend. The dynamics are `flow` where a part needs
    them, else `potential`.

    Raises ConfigError for a seed or a size that is none, and what `load_prior` raises.
    """
    chosen = load_prior(prior)
    checked_seed(seed)
    for name, size in (("sources", sources), ("capabilities", capabilities)):
        whole = isinstance(size, int | np.integer) and not isinstance(size, bool)
        if size is not None and not (whole and 1 <= size <= MOST_NAMES):
            raise ConfigError(
                f"{name} = {shown(size)}: expected a whole number, at most {MOST_NAMES}"
            )
    if hidden is not None and (isinstance(hidden, bool) or not 0 <= hidden <= MOST_NAMES):
        raise ConfigError(f"hidden = {shown(hidden)}: expected a whole number, at least 0")
    rngs = {name: generator(seed, "world", n) for n, name in enumerate(FIELDS)}
    has = {name: rngs[name].random() < chosen.parts[name].share for name in FIELDS}
    k = int(chosen.parts["sizes"].ranges["capabilities"].one(rngs["sizes"]))
    k = k if capabilities is None else capabilities
    if hidden is not None:
        has["hidden"] = hidden > 0
        if hidden > max(0, k - 2):
            raise ConfigError(f"hidden = {hidden}: at least 2 of {k} capabilities stay visible")
    per_skill = chosen.parts["unmatched"].ranges["sources"].one(rngs["unmatched"])
    has["unmatched"] = has["unmatched"] or sources not in (None, k)
    s = max(1, round(k * per_skill)) if has["unmatched"] else k
    s = s if sources is None else sources
    skills = tuple(f"skill_{j}" for j in range(k))
    named = tuple(f"source_{i}" for i in range(s)) if has["unmatched"] else skills
    world = _Drawing(chosen, seed, named, skills, *_scores(chosen, rngs["scores"], k), hidden)
    taught = _taught(world, rngs["unmatched"], has["unmatched"])
    fields = _effects(world, rngs, taught)
    on = ["unmatched"] if has["unmatched"] else []
    for name, part in PARTS.items():
        if name in ALWAYS or has[name]:
            given = part(world, rngs[name], fields)
            fields |= given
            on += [name] if given and name not in ALWAYS else []
    dynamics = "flow" if set(FLOW) & set(on) else "potential"
    kind = f"{s} sources, {k} capabilities, {dynamics}"
    return World(
        name=f"{chosen.name}-{seed}",
        description=f"drawn: {kind}{'; with ' if on else ''}{', '.join(on)}",
        sources=named,
        capabilities=skills,
        dynamics=dynamics,
        floor=world.floor,
        start=world.start,
        ceiling=world.ceiling,
        substeps=SUBSTEPS,
        provenance={
            "prior": f"{chosen.name}, seed {seed}; strengths and lengths are meant for "
            f"{show_tokens(chosen.budget)} tokens"
        },
        **fields,
    )


def _scores(prior: Prior, rng: np.random.Generator, k: int) -> tuple[Array, Array, Array]:
    """floor, start and ceiling (K,)."""
    ranges = prior.parts["scores"].ranges
    guessed = rng.random(k) < ranges["chance"].one(rng)
    floor = np.where(guessed, ranges["floor"].draw(rng, k), 0.0)
    ceiling = floor + ranges["ceiling"].draw(rng, k) * (1.0 - floor)
    return floor, floor + ranges["start"].draw(rng, k) * (ceiling - floor), ceiling


def _taught(world: _Drawing, rng: np.random.Generator, unmatched: bool) -> Mask:
    """(S, K): what each source is made for; its own name's capability where sources match."""
    s, k = len(world.sources), len(world.capabilities)
    if not unmatched:
        return np.eye(k, dtype=np.bool_)
    counts = np.minimum(world.some(rng, "unmatched", "teaches", s), k)
    rank = rng.random((s, k)).argsort(axis=1).argsort(axis=1)
    out: Mask = rank < counts[:, None]
    return out


def _effects(world: _Drawing, rngs: dict[str, np.random.Generator], taught: Mask) -> Fields:
    """Gain curves, help and harm. A share of a source's effects is drawn once for all of them."""
    rng, gains = rngs["transfer"], rngs["gains"]
    s, k = taught.shape
    bend = world.some(gains, "gains", "bend", s)
    families = _families(world, gains, s)
    u = GainBank(families).value(bend)
    left = np.where([harm_grows_with_tokens(f) for f in families], bend, bend - u)
    spoilt = np.maximum(left, BENT * bend)

    alike, share = world.one(rng, "transfer", "alike"), world.one(rng, "transfer", "harm")
    harms = _alike(rng, s, k, alike) < share
    ranges, place = world.prior.parts["transfer"].ranges, _alike(rng, s, k, alike)
    size = np.where(
        harms, ranges["harms"].at(place) * world.down, ranges["helps"].at(place) * world.up
    )
    turns = rng.random((s, k)) < world.one(rng, "transfer", "turning")
    first = np.where(turns & harms, world.some(rng, "transfer", "first", s, k), 0.0)
    own = world.some(gains, "gains", "own", s, k) * world.up
    help_ = np.where(taught, own, np.where(harms, first, 1.0) * size)
    harm = np.where(taught | ~harms, 0.0, (1.0 + first) * size)
    coupling = world.one(rng, "transfer", "coupling")  # drawn last: all else is as without it
    help_, harm = np.where(taught, help_, coupling * help_), coupling * harm
    return {
        "gain": families,
        "scale_tokens": world.prior.budget / bend,
        "help": help_ / u[:, None],
        "harm": harm / spoilt[:, None],
        "link": world.prior.parts["scores"].choices["link"].one(rngs["scores"]),
    }


def _families(world: _Drawing, rng: np.random.Generator, s: int) -> tuple[str, ...]:
    """The gain family of all sources, or one each where `mixed` is drawn."""
    choice = world.prior.parts["gains"].choices["family"]
    drawn = choice.one(rng)
    if drawn != "mixed":
        return (drawn,) * s
    several = [name for name in choice.weights if name != "mixed"]
    return tuple(several[n] for n in rng.integers(len(several), size=s))


def _alike(rng: np.random.Generator, s: int, k: int, alike: float) -> Array:
    """(S, K) even in [0, 1), where the share `alike` of a row has one number."""
    whole, each = rng.random((s, 1)), rng.random((s, k))
    return np.where(rng.random((s, k)) < alike, whole, each)


# ------------------------------------------------------------------- parts


def _efficiency(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    return {"efficiency_sd": np.full(len(world.sources), world.one(rng, "efficiency", "sd"))}


def _pools(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    s = len(world.sources)
    finite = rng.random(s) < world.one(rng, "pools", "finite")
    tokens = world.some(rng, "pools", "tokens", s) * world.prior.budget
    return {
        "pool_tokens": np.where(finite, tokens, np.inf),
        "repetition_harm": np.where(finite, world.some(rng, "pools", "harm", s), 0.0),
    }


def _forgetting(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    tokens = world.some(rng, "forgetting", "tokens", len(world.capabilities))
    return {"forgetting_tokens": tokens * world.prior.budget}


def _gates(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    """A gated capability needs one that comes before it in a random order: no circle of gates."""
    order = rng.permutation(len(world.capabilities))
    gated = rng.random(len(order)) < world.one(rng, "gates", "gated")
    gates = []
    for place, j in enumerate(order):
        needs = order[int(rng.integers(max(place, 1)))]
        threshold, width, low = (world.one(rng, "gates", f) for f in ("threshold", "width", "low"))
        if gated[place] and place:
            gates.append(
                {
                    "capability": world.capabilities[j],
                    "needs": world.capabilities[needs],
                    "threshold": float(world.start[needs] + threshold * world.up[needs]),
                    "width": width,
                    "low": low,
                }
            )
    return {"gates": tuple(gates)} if gates else {}


def _drift(world: _Drawing, rng: np.random.Generator, fields: Fields) -> Fields:
    help_: Array = fields["help"]
    after, change = (world.one(rng, "drift", f) for f in ("after", "change"))
    other = help_[rng.permutation(len(help_))]
    later = (1.0 - change) * help_ + change * other
    return {"drift": {"after_tokens": after * world.prior.budget, "help": later}}


def _process(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    sd = world.one(rng, "process", "sd") / np.sqrt(world.prior.budget / 1e6)
    return {"process_sd": np.full(len(world.capabilities), sd)}


def _schedule(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    kind = world.prior.parts["schedule"].choices["kind"].one(rng)
    numbers = {f: world.one(rng, "schedule", f) for f in ("warmup", "end", "decay")}
    return {"schedule": {} if kind == "constant" else {"kind": kind, **numbers}}


def _overtraining(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    tokens = world.one(rng, "overtraining", "tokens") * world.prior.budget
    return {"overtraining_tokens": np.full(len(world.capabilities), tokens)}


def _interference(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    limit = world.some(rng, "interference", "limit", len(world.capabilities))
    return {"interference_limit": limit * world.down}


def _rehearsal(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    return {
        "rehearsal_share": world.some(rng, "rehearsal", "share_of_tokens", len(world.capabilities))
    }


def _formats(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    """Each source writes a part of its tokens in one of the formats, or in none."""
    s, k = len(world.sources), len(world.capabilities)
    count = int(world.one(rng, "formats", "count"))
    which = rng.integers(count + 1, size=s)
    written = world.some(rng, "formats", "written", s)
    formats = []
    for n in range(count):
        tokens = world.one(rng, "formats", "tokens") * world.prior.budget
        moved = rng.random(k) < world.one(rng, "formats", "moves")
        rises = rng.random(k) < 0.5
        size = world.some(rng, "formats", "shift", k)
        shift = np.where(rises, size * world.up, -size * world.down)
        formats.append(
            {
                "name": f"format_{n}",
                "sources": {world.sources[i]: float(written[i]) for i in range(s) if which[i] == n},
                "scores": {world.capabilities[j]: float(shift[j]) for j in range(k) if moved[j]},
                "tokens": tokens,
            }
        )
    return {"formats": tuple(formats)}


def _hidden(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    """At least two capabilities stay visible; every task counts the hidden ones."""
    k = len(world.capabilities)
    count = min(int(world.one(rng, "hidden", "count")), k - 2)
    count = count if world.unseen is None else world.unseen
    weight = world.one(rng, "hidden", "weight")
    if count < 1:
        return {}
    places = np.sort(rng.permutation(k)[:count])
    hidden = [world.capabilities[j] for j in places]
    visible = [name for name in world.capabilities if name not in hidden]
    tasks: dict[str, dict[str, object]] = {}
    for name in visible:
        rest = (1.0 - FOCUS) / (len(visible) - 1)
        seen = {other: FOCUS if other == name else rest for other in visible}
        counts = {other: (1.0 - weight) * share for other, share in seen.items()}
        unseen = dict.fromkeys(hidden, weight / count)
        tasks[name] = {"requirement": seen, "weights": {**counts, **unseen}}
    return {"hidden": tuple(hidden), "tasks": tasks}


def _probes(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    k = len(world.capabilities)
    return {
        "items": np.full(k, world.one(rng, "probes", "items")),
        "test_items": np.full(k, world.one(rng, "probes", "test_items")),
        "pairing": world.one(rng, "probes", "pairing"),
    }


def _bias(world: _Drawing, rng: np.random.Generator, _: Fields) -> Fields:
    k = len(world.capabilities)
    return {
        "probe_bias": world.some(rng, "bias", "offset", k),
        "probe_slope": world.some(rng, "bias", "slope", k),
    }


PARTS: dict[str, Callable[[_Drawing, np.random.Generator, Fields], Fields]] = {
    "efficiency": _efficiency,
    "pools": _pools,
    "forgetting": _forgetting,
    "gates": _gates,
    "drift": _drift,
    "process": _process,
    "schedule": _schedule,
    "overtraining": _overtraining,
    "interference": _interference,
    "rehearsal": _rehearsal,
    "formats": _formats,
    "hidden": _hidden,
    "probes": _probes,
    "bias": _bias,
}
