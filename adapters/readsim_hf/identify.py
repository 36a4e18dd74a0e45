"""From a task's card to its requirement: interventions, auxiliary tasks, an identifier."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.files.json_text import digest_of
from readsim.streams import generator
from readsim.worlds.task import Task
from readsim_hf.backend import HFBackend
from readsim_hf.config import RunConfig
from readsim_hf.interventions import Interventions, intervene
from readsim_hf.requirement.auxiliary import Auxiliary, auxiliary_tasks
from readsim_hf.requirement.builtin import draw_card
from readsim_hf.requirement.card import TaskCard, load_card
from readsim_hf.requirement.identified import Identified, read_card
from readsim_hf.requirement.train import explained_and_null, train_identifiers


def card_of(config: RunConfig, backend: HFBackend, task: Task) -> TaskCard:
    """The task's card: a file of the user's, or one drawn from what its utility counts.

    Raises ConfigError for an exemplar that is a test item.
    """
    test = backend.components.suite.splits.keys("test")
    if config.identifier.card:
        card = load_card(Path(config.identifier.card))
        card.check_unseen(test, config.identifier.card)
        return card
    counted = zip(backend.capabilities, task.weights.tolist(), strict=True)
    weights = {name: weight for name, weight in counted if weight > 0}
    return draw_card(
        weights, backend.components.library, generator(config.seed, "requirement", 3), test
    )


def identify(config: RunConfig, env: DistillEnv, folder: Path) -> tuple[Task, Identified]:
    """The task of `env` with the requirement that its card is found to have; its utility stays.

    What was found is kept in `folder`, and read from there the next time: interventions, which go
    on where they were cut off, and the requirement. The interventions stay in `env.backend`, which is
    to be reset: they are its offline pool too, and each run is charged with them.
    """
    backend, task = env.backend, env.episode.task
    assert isinstance(backend, HFBackend)
    folder.mkdir(parents=True, exist_ok=True)
    backend.workbench, backend.identified = folder, None
    backend.reset(config.seed)
    backend.identified = intervene(
        backend, env.episode.schedule[0], config.pool_runs, config.seed, config.pool_steps
    )
    card = card_of(config, backend, task)
    run = [backend.components.identity, config.budget, config.steps, config.seed, config.pool_runs]
    run += [config.pool_steps] if config.pool_steps > 1 else []
    about = digest_of([*run, config.table()["identifier"], card.text])
    path = folder / f"requirement-{about[:16]}.json"
    if not path.is_file():
        _find(config, backend, backend.identified, card).save(path)
    found = Identified.load(path)
    return Task(task.name, np.array(found.requirement), task.weights, task.kind), found


def _find(config: RunConfig, backend: HFBackend, done: Interventions, card: TaskCard) -> Identified:
    parts = backend.components
    change, dev = done.changes(parts.suite)
    about = config.identifier, parts.library, config.seed, parts.suite.splits.keys("test")
    tasks, others = auxiliary_tasks(*about), auxiliary_tasks(*about, held_out=True)
    texts = [t.text for t in tasks]
    members = train_identifiers(
        config.identifier, texts, change, _utilities(tasks, dev), config.seed
    )

    def mean_requirements(some: Sequence[Auxiliary]) -> Array:
        each = [m.requirements([t.text for t in some]) for m in members]
        return np.asarray(np.mean(each, axis=0))

    requirement, facts = read_card(members, card.text, texts)
    unseen = mean_requirements(others)
    off = np.abs(unseen - np.array([t.weights for t in others])).sum(axis=1) / 2
    return Identified(
        requirement=tuple(requirement.tolist()),
        fit=explained_and_null(
            mean_requirements(tasks), change, _utilities(tasks, dev), config.seed
        ),
        held_out=explained_and_null(unseen, change, _utilities(others, dev), config.seed),
        held_out_tv=float(off.mean()),
        **facts,
    )


def _utilities(tasks: Sequence[Auxiliary], dev: Array) -> Array:
    """DU (M, N) of each task, from changes (N, V) on the dev split."""
    out: Array = np.array([t.weights for t in tasks]) @ dev.T
    return out
