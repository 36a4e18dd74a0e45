"""Tasks of lm-eval, read by name or from a user's YAML file; what is wrong with them is one line."""

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from jinja2 import TemplateError
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Entry, Kind
from lm_eval.tasks._yaml_loader import load_yaml

from readsim.errors import CapabilityMissingError, ConfigError, ReadsimError, unknown
from readsim_hf.probes.lm import quiet
from readsim_hf.probes.own.config import TaskConfig

SEED = 1234  # of examples that a task draws, as lm-eval's own


_SHOWN = 300  # characters of somebody else's error


def tasks_by_name(config: TaskConfig) -> dict[str, Any]:
    with quiet():
        manager = TaskManager()
    if config.task not in manager.all_tasks:
        raise unknown(f"task of lm-eval ({config.where})", config.task, _near(config.task, manager))
    return _loaded(config, lambda: manager.load([config.task]))


def _near(name: str, manager: TaskManager) -> list[str]:
    """A few of the thousands of names: those that begin alike."""
    return [task for task in manager.all_tasks if task[:3] == name[:3]][:8]


def tasks_by_file(config: TaskConfig) -> dict[str, Any]:
    """A file's task, or its group; relative paths of data files are beside the file, else here."""
    path = Path(config.yaml).resolve()
    if not path.is_file():
        raise ConfigError(f"{config.where}: yaml = {config.yaml!r}: no such file")

    _refuse_copies(config, path)

    def load(defaults: bool = False) -> Any:
        settings = load_yaml(path, resolve_func=False)
        if not {"task", "group", "class"} & set(settings):
            raise ConfigError(
                f"{config.yaml}: no field `task`, the task's name; such as task: {path.stem}"
            )
        if "group" not in settings or "class" in settings:
            return TaskManager(include_defaults=False).load([str(path)])
        manager = TaskManager(include_path=str(path.parent), include_defaults=defaults)
        name = str(settings["group"])
        manager.task_index[name] = Entry(name, Kind.GROUP, path)
        _check_group(config, manager, name, (), defaults)
        return manager.load([name])

    def found() -> Any:
        try:
            with contextlib.chdir(path.parent):
                return load()
        except FileNotFoundError:
            return load()
        except (KeyError, ValueError) as error:  # it may name tasks that lm-eval brings
            if not any(word in str(error) for word in ("not found", "not a registered", "nknown")):
                raise
            with contextlib.chdir(path.parent):
                return load(defaults=True)

    return _loaded(config, found)


def _refuse_copies(config: TaskConfig, path: Path) -> None:
    """ConfigError for what is no YAML, and for a field that is given twice, of which YAML takes the last."""
    seen = set[int]()
    todo: list[yaml.Node | None] = []
    try:
        with path.open("rb") as file:
            todo.append(yaml.compose(file, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{config.yaml}: not YAML: {error_line(error)}") from error
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo += node.value
        elif isinstance(node, yaml.MappingNode):
            names = set[str]()
            for key, value in node.value:
                todo += (key, value)
                if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                    continue
                if key.value in names:
                    where = f"{config.yaml}, line {key.start_mark.line + 1}"
                    raise ConfigError(f"{where}: field {key.value!r} is given twice")
                names.add(key.value)


def _check_group(
    config: TaskConfig, manager: TaskManager, name: str, around: tuple[str, ...], whole: bool
) -> None:
    """ConfigError for a group that holds nothing, itself, or what nobody has; KeyError for the last where
    lm-eval's own tasks were not looked at (`whole`)."""
    path = manager.task_index[name].yaml_path
    settings = load_yaml(path, resolve_func=False)
    members = settings.get("task")
    if not (isinstance(members, list) and members):
        raise ConfigError(
            f"{path}: group {name!r} has task = {members!r:.60}; accepted: a list of tasks (a task that is "
            "part of others' groups has `tag`)"
        )
    for member in members:
        inner = member.get("task", member.get("group")) if isinstance(member, dict) else member
        if isinstance(member, dict) and {"group", "dataset_path", "class"} & set(member):
            continue  # described here
        if inner in (*around, name):
            raise ConfigError(f"{path}: group {name!r} holds itself, by {inner!r}")
        entry = manager.task_index.get(str(inner))
        if entry is None and not whole:
            raise KeyError(f"{inner!r} not found")
        if entry is None:
            raise unknown(
                f"task of group {name!r} in {path}", str(inner), _near(str(inner), manager)
            )
        if entry.kind is Kind.GROUP:
            _check_group(config, manager, str(inner), (*around, name), whole)


def _loaded(config: TaskConfig, load: Callable[[], Any]) -> dict[str, Any]:
    """What lm-eval makes of it, in the order of its names. What it raises becomes one line of ours."""
    try:
        with quiet(), random_as_it_was():
            tasks: dict[str, Any] = load()["tasks"]
    except ReadsimError:
        raise
    except ImportError as error:
        raise CapabilityMissingError(
            f"{config.where}: {config.source} needs a package that is not installed: {error_line(error)}"
        ) from error
    except OSError as error:
        lost = Path(getattr(error, "filename", None) or "").suffix
        if lost in (".yaml", ".yml"):
            raise ConfigError(f"{config.source}: include: {error_line(error)}") from error
        raise CapabilityMissingError(
            f"{config.where}: the data set of {config.source} is not here and cannot be fetched "
            f"({error_line(error)}); load it once with a connection, or name a local file in dataset_kwargs"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{config.yaml}: not YAML: {error_line(error)}") from error
    except TemplateError as error:
        raise ConfigError(
            f"{config.source}: a template fails on the first item: {error_line(error)}"
        ) from error
    except Exception as error:  # whatever a file makes lm-eval raise
        if error.args == (None,):  # the name of its way to sum up a metric that it does not know
            raise ConfigError(
                f"{config.where}: {config.source}: metric_list has a metric that lm-eval does not know"
            ) from error
        raise ConfigError(
            f"{config.where}: lm-eval cannot read {config.source}: {type(error).__name__}: "
            f"{error_line(error)}"
        ) from error
    return tasks


def error_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:_SHOWN]


@contextlib.contextmanager
def random_as_it_was() -> Iterator[None]:
    """Some tasks shuffle with Python's global generator: fixed here, and restored."""
    state = random.getstate()
    random.seed(SEED)
    try:
        yield
    finally:
        random.setstate(state)
