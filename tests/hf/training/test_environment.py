"""What schedulers and earlier jobs leave in the environment, and what launchers set."""

import warnings

import pytest

from readsim.errors import ConfigError
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS, "accelerate")
NAMES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
         "SLURM_PROCID", "SLURM_NTASKS", "ACCELERATE_USE_CPU")  # fmt: skip


def world(monkeypatch: pytest.MonkeyPatch, **given: str) -> int:
    from readsim_hf.training.process_group import world_size

    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return world_size()


@pytest.mark.parametrize(
    "left",
    [
        {"WORLD_SIZE": "2"},
        {"WORLD_SIZE": "two"},
        {"WORLD_SIZE": "2", "LOCAL_RANK": "0"},
        {"RANK": "0"},
        {"RANK": "x"},
        {"LOCAL_RANK": "1"},
        {"WORLD_SIZE": "4", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"},
    ],
)
def test_what_is_left_is_said_and_not_obeyed(
    left: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    with pytest.warns(UserWarning, match=r"no launcher .* it runs alone"):
        assert world(monkeypatch, **left) == 1
    assert not {"WORLD_SIZE", "RANK", "LOCAL_RANK"} & set(os.environ)  # accelerate reads them too


@pytest.mark.parametrize(
    "left",
    [
        {},
        {"WORLD_SIZE": ""},
        {"WORLD_SIZE": "1"},
        {"WORLD_SIZE": "1", "RANK": "0"},
        {"MASTER_PORT": "x", "SLURM_NTASKS": "2"},
    ],
)
def test_one_process_without_a_word(left: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert world(monkeypatch, **left) == 1


MEET = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WORLD_SIZE": "two", "RANK": "0", **MEET}, "WORLD_SIZE = 'two'"),
        ({"WORLD_SIZE": "2", "RANK": "-1", **MEET}, "RANK = '-1'"),
        ({"WORLD_SIZE": "2", "RANK": "2", **MEET}, "RANK = 2 and WORLD_SIZE = 2"),
        ({"WORLD_SIZE": "0", "RANK": "0", **MEET}, "RANK = 0 and WORLD_SIZE = 0"),
        ({"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "a", **MEET}, "LOCAL_RANK = 'a'"),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, "srun started the same run several times"),
    ],
)
def test_what_is_refused(given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=said):
        world(monkeypatch, **given)


def test_what_a_launcher_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", **MEET}
    assert world(monkeypatch, **given) == 2


@pytest.mark.parametrize("where", [{}, {**MEET, "MASTER_PORT": "x"}, {"MASTER_PORT": "29500"}])
def test_where_the_processes_meet(where: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.training.process_group import check_meeting

    assert world(monkeypatch, WORLD_SIZE="2", RANK="0", **where) == 2
    with pytest.raises(ConfigError, match="where the processes meet is missing"):
        check_meeting(2, 0)
