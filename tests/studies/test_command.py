"""`python -m studies`: each name runs what it says, and a name that is not there is helped."""

from pathlib import Path

import pytest

from readsim.errors import UnknownNameError
from studies.__main__ import about, main
from studies.common import all_studies
from studies.common.catalogue import ALL, COMMANDS, NAMES, load_command
from studies.common.command import seeds_option
from tests.support.paths import ROOT


def test_every_folder_can_be_run() -> None:
    folders = {path.parent.name for path in (ROOT / "studies").glob("*/__init__.py")}
    assert folders - {"common"} == {*NAMES, *(name for name in COMMANDS if "." not in name)}
    assert not list((ROOT / "studies").glob("*/__main__.py"))


def test_help_lists_every_name_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    said = capsys.readouterr().out.splitlines()
    for name in (*NAMES, *COMMANDS):
        assert len(about(name)) > 20
        assert f"  {name:20} {about(name)}" in said


def test_a_name_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["figur1", "--seeds", "2"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "did you mean 'figure1'" in said
    assert "gpu_check" in said
    with pytest.raises(UnknownNameError, match="'speed'"):
        load_command("sped")


@pytest.mark.parametrize("words", [["--only", "nothing"], [ALL, "--only", "nothing"]])
def test_without_a_name_all_studies_run(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_command(ALL) is all_studies.main
    with pytest.raises(SystemExit):
        main(words)
    assert "unknown study 'nothing'" in capsys.readouterr().err


def test_the_options_of_one_study_reach_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["figure1", "--rows", str(tmp_path / "nowhere"), "--out", str(tmp_path)])
    assert end.value.code == 2
    assert "nowhere" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_seeds_are_told_as_they_were_given() -> None:
    assert seeds_option(range(8)) == "--seeds 8"
    assert seeds_option([3, 5]) == "--seeds 3,5"
    assert seeds_option([0]) == "--seeds 0"
