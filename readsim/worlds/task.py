"""A task: which capabilities it requires, and what its utility is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, WorldError, shown, unknown
from readsim.files.json_text import digest_of
from readsim.worlds import utility

FOCUS = 0.6
NAMED = 4  # weights that the name of a task shows


@dataclass(frozen=True, eq=False)
class Task:
    """`requirement` r over visible capabilities, `weights` w of the utility over all K.

    The allocator sees r; w is what the final utility is computed with. They are equal unless a world
    says otherwise (a hidden capability, a misaligned requirement).
    """

    name: str
    requirement: Array
    weights: Array
    kind: str = "linear"

    def __post_init__(self) -> None:
        for name in ("requirement", "weights"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))

    def utility(self, profile: Array) -> Array:
        """U(p) over (..., K) profiles: (...)."""
        return utility.utility(self.kind, self.weights, profile)

    def gradient(self, profile: Array) -> Array:
        """dU/dp over (..., K)."""
        return utility.gradient(self.kind, self.weights, profile)


AnyTask = Task | str | Mapping[str, float]


LARGEST_WEIGHT = 1e9  # relative to the others: shares are what counts


def simplex_from_names(weights: dict[str, float], names: tuple[str, ...], where: str) -> Array:
    """`{"math": 2, "code": 1}` -> the vector of shares over `names`."""
    out = np.zeros(len(names))
    places = {name: place for place, name in enumerate(names)}
    for name, weight in weights.items():
        if name not in places:
            raise WorldError(f"{where}: {unknown('capability', name, names)}")
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not (is_number and 0.0 <= weight <= LARGEST_WEIGHT):
            raise WorldError(
                f"{where}: weight {name} = {shown(weight)} must be a number >= 0, at most "
                f"{LARGEST_WEIGHT:g}"
            )
        out[places[name]] = weight
    if out.sum() <= 0:
        raise WorldError(f"{where}: at least one weight must be above 0")
    shares: Array = out / out.sum()
    return shares


def build_task(
    name: str, spec: dict[str, object], capabilities: tuple[str, ...], hidden: tuple[str, ...]
) -> Task:
    """A task from a world file's table: `requirement`, optional `weights`, optional `utility`."""
    where = f"tasks.{name}"
    for key in spec:
        if key not in ("requirement", "weights", "utility"):
            raise WorldError(
                f"{where}: {unknown('field', key, ['requirement', 'weights', 'utility'])}"
            )
    tables: dict[str, dict[str, float]] = {}
    for key in ("requirement", "weights"):
        table = spec.get(key, spec.get("requirement"))
        if not isinstance(table, dict):
            raise WorldError(f"{where}.{key}: expected a table of capability = weight")
        tables[key] = table
    visible = tuple(c for c in capabilities if c not in hidden)
    kind = str(spec.get("utility", "linear"))
    try:
        utility.parse_utility(kind)
    except (ConfigError, KeyError) as error:
        raise WorldError(f"{where}.utility: {error}") from error
    return Task(
        name=name,
        requirement=simplex_from_names(tables["requirement"], visible, f"{where}.requirement"),
        weights=simplex_from_names(tables["weights"], capabilities, f"{where}.weights"),
        kind=kind,
    )


def focus_task(name: str, capabilities: tuple[str, ...], hidden: tuple[str, ...]) -> Task:
    """The task of a world that lists none: 0.6 on one visible capability, the rest spread evenly."""
    visible = [c for c in capabilities if c not in hidden]
    rest = (1.0 - FOCUS) / (len(visible) - 1) if len(visible) > 1 else 0.0
    shares = {c: FOCUS if c == name else rest for c in visible}
    return build_task(name, {"requirement": shares}, capabilities, hidden)


def resolve_task(
    task: AnyTask,
    capabilities: tuple[str, ...],
    hidden: tuple[str, ...],
    listed: Mapping[str, dict[str, object]] | None = None,
) -> Task:
    """The task that is meant, wherever one is asked for.

    task     a `Task`; the name of a listed one; a capability to focus on; `average`; requirement
             weights `{capability: weight}`, or the same as text: `math=0.7,code=0.3`
    listed   the tasks that a world's file names, by name

    Where a hidden capability is named, alone or in the weights, the utility is on the hidden ones named
    and nothing else; the visible ones of the weights are the requirement, all alike if there are none.

    Raises UnknownNameError with the nearest name, WorldError for weights that are none, ConfigError for
    a `Task` over other capabilities.
    """
    visible = tuple(c for c in capabilities if c not in hidden)
    if isinstance(task, Task):
        if len(task.requirement) != len(visible) or len(task.weights) != len(capabilities):
            raise ConfigError(
                f"task {task.name!r} has {len(task.requirement)} requirements and "
                f"{len(task.weights)} weights for {len(visible)} visible capabilities of "
                f"{len(capabilities)}"
            )
        return task
    if isinstance(task, str):
        if listed and task in listed:
            return build_task(task, listed[task], capabilities, hidden)
        task = task if task in capabilities else parse_task(task)
    if isinstance(task, str):
        if task in visible:
            return focus_task(task, capabilities, hidden)
        if task not in ("average", *hidden):
            known = dict.fromkeys((*(listed or visible), "average", *visible, *hidden))
            raise unknown("task", task, list(known))
    if not isinstance(task, str | Mapping):
        raise ConfigError(
            f"task = {task!r}: expected a name, weights {{capability: weight}} or a Task"
        )
    given, name = task, task if isinstance(task, str) else "custom"
    if isinstance(task, str):
        task = {task: 1.0} if task in hidden else dict.fromkeys(visible, 1.0)
    table = dict(task)
    unseen = {c: table.pop(c) for c in hidden if c in table}
    spec: dict[str, object] = {"requirement": table or dict.fromkeys(visible, 1.0)}
    built = build_task(name, spec | ({"weights": unseen} if unseen else {}), capabilities, hidden)
    return replace(built, name=task_name(given))  # of weights that are known to be numbers


def parse_task(text: str) -> str | dict[str, float]:
    """`"math=0.7,code=0.3"` -> a table of weights; anything else is a name."""
    if "=" not in text:
        return text
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        if name.strip() in shares:
            raise ConfigError(f"task {text!r}: {name.strip()!r} is named twice")
        try:
            shares[name.strip()] = float(share)
        except ValueError as error:
            raise ConfigError(f"task {text!r}: {part!r} is not CAPABILITY=SHARE") from error
    return shares


def task_name(task: AnyTask) -> str:
    """Its name; of weights the weights themselves, the largest first: `math=0.7,code=0.3`.

    Of more than four weights, or where three digits do not give one exactly, a digest of all follows.
    """
    if isinstance(task, Task):
        return task.name
    if isinstance(task, str):
        return task
    weights = {name: w if isinstance(w, int | float) else float(w) for name, w in task.items()}
    order = sorted(weights, key=lambda name: (-weights[name], name))
    text = weights_text({name: weights[name] for name in order})
    shown = weights_text({name: weights[name] for name in order[:NAMED]})
    if len(order) <= NAMED and _is_exact(text, weights):
        return text
    more = f"+{len(order) - NAMED}" if len(order) > NAMED else ""
    return f"{shown}{more}-{digest_of(weights)[:8]}"


def _is_exact(text: str, weights: Mapping[str, float]) -> bool:
    try:
        return parse_task(text) == weights
    except ConfigError:  # a capability with a comma in its name
        return False


def task_words(asked: AnyTask, task: Task, capabilities: tuple[str, ...]) -> str:
    """`task math: math 60%, the other 7 5.71% each; utility is that weighted mean`, of the weights (K,).

    `asked` is how the task was given; where its weights do not sum to 1, it is said that they were scaled.
    """
    given = parse_task(asked) if isinstance(asked, str) else asked
    total = sum(map(float, given.values())) if isinstance(given, Mapping) else 1.0
    scaled = f" (scaled: they sum to {total:.4g})" if abs(total - 1.0) > 1e-9 else ""
    kind = "that weighted mean" if task.kind == "linear" else f"{task.kind} with these weights"
    return f"task {task.name}: {shares_text(task.weights, capabilities)}{scaled}; utility is {kind}"


def weights_text(weights: Mapping[str, float]) -> str:
    """`math=0.7,code=0.3`, as `--task` takes it."""
    return ",".join(f"{name}={share_text(float(w))}" for name, w in weights.items())


def share_text(share: float) -> str:
    """A share or weight with three digits at most, and no more than it needs."""
    return f"{share:.3f}".rstrip("0").rstrip(".") if 0.001 <= share < 1e4 else f"{share:.3g}"


def shares_text(shares: Array, names: tuple[str, ...]) -> str:
    """`math 60%, the other 7 5.71% each`: the largest first, shares of 0 left out."""
    order = [n for n in np.argsort(-shares, kind="stable") if shares[n] > 0.0]
    least = [n for n in order if shares[n] - shares[order[-1]] < 1e-6]
    named = len(order) - len(least) if len(least) > 2 and len(order) == len(names) else len(order)
    parts = [f"{names[n]} {100 * shares[n]:.3g}%" for n in order[:named]]
    if named < len(order):
        which = f"the other {len(least)}" if named else f"all {len(least)}"
        parts.append(f"{which} {100 * shares[order[-1]]:.3g}% each")
    return ", ".join(parts)
