"""Tables of runs: the layouts that are read, the names that are stripped, everything that is refused."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, ReadsimError, UnknownNameError
from readsim.fitting.columns import pattern_of, patterns, strip
from readsim.fitting.table import Options, Runs, read_run_table
from tests.support.made_fits import write_csv
from tests.support.paths import SHARED

BUDGET = 150e6
SHARES = [(0.2, 0.3, 0.5), (0.6, 0.2, 0.2), (0.1, 0.1, 0.8), (1, 0, 0), (0, 0.5, 0.5)]
LOSSES = [(3.1, 2.2), (2.9, 2.4), (3.5, 1.9), (2.5, 2.8), (3.3, 2.1)]


def two_files(tmp_path: Path, options: Options | None = None, **swap: Any) -> Runs:
    """RegMix's layout; `swap` replaces a header or cells."""
    header = swap.get("shares_header", ("index", "train_a", "train_b", "train_c"))
    other = swap.get("losses_header", ("index", "val_a_loss", "val_b_loss"))
    shares = swap.get("shares", [(i, *row) for i, row in enumerate(SHARES)])
    losses = swap.get("losses", [(i, *row) for i, row in enumerate(LOSSES)][::-1])
    one = write_csv(tmp_path / "runs.csv", header, shares)
    two = write_csv(tmp_path / "targets.csv", other, losses)
    return read_run_table(one, two, replace(options or Options(), budget=BUDGET))


def one_file(
    tmp_path: Path, header: str, rows: Sequence[Sequence[object]], options: Options | None = None
) -> Runs:
    """All in one."""
    return read_run_table(
        write_csv(tmp_path / "runs.csv", header.split(","), rows),
        None,
        replace(options or Options(), budget=BUDGET),
    )


def test_two_files_are_joined_by_key_and_names_are_shortened(tmp_path: Path) -> None:
    runs = two_files(tmp_path)
    assert runs.sources == ("a", "b", "c")
    assert runs.capabilities == ("a", "b")
    assert (runs.source_pattern, runs.target_pattern) == ("train_*", "val_*_loss")
    assert runs.profiles == pytest.approx(-np.array(LOSSES))
    assert runs.tokens / runs.tokens.sum(1, keepdims=True) == pytest.approx(np.array(SHARES))
    assert runs.scale.unit == "losses"


def test_rows_near_one_are_renormalised_and_it_is_said(tmp_path: Path) -> None:
    rows = [(i, *row) for i, row in enumerate(SHARES)]
    rows[1] = (1, 0.604, 0.2, 0.2)
    runs = two_files(tmp_path, shares=rows)
    assert runs.tokens[1].sum() == pytest.approx(150e6)
    assert any("renormalised" in note for note in runs.notes)
    with pytest.raises(ReadsimError, match=r"line 3.*1\.004"):
        two_files(tmp_path, Options(tolerance=0.001), shares=rows)


def test_the_block_that_sums_to_one_is_found(tmp_path: Path) -> None:
    rows = [(f"r{i}", *s, *x) for i, (s, x) in enumerate(zip(SHARES, LOSSES, strict=True))]
    runs = one_file(tmp_path, "run,a,b,c,loss_a,loss_b", rows)
    assert runs.sources == ("a", "b", "c")
    assert runs.capabilities == ("a", "b")
    assert runs.label == ("r0", "r1", "r2", "r3", "r4")


def test_prefixes_tokens_points_and_error_rates(tmp_path: Path) -> None:
    rows = [(*s, "20M", 10 * i, 90 - i) for i, s in enumerate(SHARES)]
    header = "share:a,share:b,share:c,tokens,score:a,score:b"
    runs = one_file(tmp_path, header, rows, Options(lower=["score:b"]))
    assert runs.sources == ("a", "b", "c")
    assert runs.tokens.sum(axis=1) == pytest.approx(20e6)
    assert runs.profiles[:, 0] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert runs.profiles[:, 1] == pytest.approx([0.1, 0.11, 0.12, 0.13, 0.14])
    cells = runs.scale.cells(runs.profiles)
    assert cells == pytest.approx(np.array([r[-2:] for r in rows], dtype=float))


def test_two_columns_of_tokens_are_refused(tmp_path: Path) -> None:
    rows = [(0.5, 0.5, 1000, 2000, 0.3), (0.8, 0.2, 1000, 2000, 0.4)]
    with pytest.raises(ReadsimError, match="'tokens' or 'Tokens' says what a run was trained on"):
        one_file(tmp_path, "a,b,tokens,Tokens,s", rows)


def test_token_counts_and_a_row_before_training(tmp_path: Path) -> None:
    rows = [(0, 0, 0.1), (5000, 5000, 0.3), (8000, 2000, 0.4), (1000, 9000, 0.2)]
    runs = one_file(tmp_path, "tokens:a,tokens:b,s", rows)
    assert runs.tokens == pytest.approx(np.array(rows, dtype=float)[:, :2])
    shares = [(0.5, 0.5, 0, 0.1), (0.5, 0.5, 4000, 0.3), (0.8, 0.2, 4000, 0.4)]
    runs = one_file(tmp_path, "a,b,tokens,s", shares)
    assert runs.tokens[0].tolist() == [0, 0]
    assert runs.groups[1] != runs.groups[2]


def test_missing_targets_are_nan(tmp_path: Path) -> None:
    runs = two_files(tmp_path, losses=losses_with(2, (2, "", 1.9)))
    assert np.argwhere(np.isnan(runs.profiles)).tolist() == [[2, 0]]


PLAIN: dict[str, object] = {"losses_header": ("index", "x", "y")}


def shares_with(i: int, row: tuple[object, ...]) -> list[tuple[object, ...]]:
    """The rows of shares with one replaced."""
    rows: list[tuple[object, ...]] = [(n, *r) for n, r in enumerate(SHARES)]
    rows[i] = row
    return rows


def losses_with(i: int, row: tuple[object, ...]) -> list[tuple[object, ...]]:
    """The rows of losses with one replaced."""
    rows: list[tuple[object, ...]] = [(n, *r) for n, r in enumerate(LOSSES)]
    rows[i] = row
    return rows


@pytest.mark.parametrize(
    ("swap", "message"),
    [
        ({"shares": shares_with(1, (1, 0.6, "x", 0.2))}, r"line 3, column 'train_b': 'x' is not"),
        ({"shares": shares_with(1, (1, 0.6, "", 0.2))}, r"line 3, column 'train_b'.*missing"),
        ({"shares": shares_with(1, (1, 0.6, "20%", 0.2))}, "without the sign"),
        ({"shares": shares_with(1, (1, 0.6, "inf", 0.2))}, "not a finite number"),
        ({"shares": shares_with(1, (1, 1.4, -0.6, 0.2))}, r"line 3, column 'train_b': -0.6 is neg"),
        ({"shares": shares_with(2, (2, 0.6, 0.1, 0.1))}, r"line 4.*sum to 0\.8"),
        ({"shares": shares_with(2, (2, 60, 20, 20))}, r"line 4.*percent and fractions"),
        ({"shares": shares_with(4, (3, 0, 0.5, 0.5))}, r"line 6, column 'index': '3' appears"),
        ({"shares": shares_with(4, (9, 0, 0.5, 0.5))}, r"line 6, column 'index': '9' is not in"),
        ({"shares": shares_with(4, (4, 0, 1))}, r"line 6: 3 cells where the header has 4"),
        ({"shares": [(n, r[0], 1 - r[0], 0) for n, r in enumerate(SHARES)]}, "'train_c' is 0 in"),
        ({"shares": [(n, 0.2, 0.3, 0.5) for n in range(5)]}, "nothing varies"),
        ({"shares_header": ("index", "train_a", "train_a", "train_c")}, "appears twice"),
        ({"shares_header": ("index", "train_a", "", "train_c")}, "column 3 has no name"),
        ({"shares_header": ("number", "train_a", "train_b", "train_c")}, "--key"),
        ({"losses": losses_with(0, (0, "abc", 2.2))}, r"line 2, column 'val_a_loss': 'abc'"),
        ({"losses": losses_with(0, (0, -3, 2.2))}, r"line 2, column 'val_a_loss'.*above 0"),
        ({"losses": [(n, 3.0, r[1]) for n, r in enumerate(LOSSES)]}, "is 3 in every row"),
        (PLAIN | {"losses": losses_with(0, (0, 103, 50))}, "scores lie in"),
        (PLAIN | {"losses": [(n, 50 + n, n / 9) for n in range(5)]}, "are mixed"),
        (PLAIN | {"losses": [(n, 50, 30 + n if n else 0.3) for n in range(5)]}, "every row"),
        (
            PLAIN | {"losses": [(n, 50 + n, 30 + n if n else 0.3) for n in range(5)]},
            "line 2.*mixed",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, swap: dict[str, Any], message: str) -> None:
    with pytest.raises(ReadsimError, match=message):
        two_files(tmp_path, **swap)


def test_swapped_files_are_recognised(tmp_path: Path) -> None:
    two_files(tmp_path)
    with pytest.raises(ReadsimError, match="the file of shares comes first"):
        read_run_table(tmp_path / "targets.csv", tmp_path / "runs.csv", Options())


def test_what_is_ambiguous_says_what_to_give(tmp_path: Path) -> None:
    rows = [(a, 1 - a, b, 1 - b) for a, b in ((0.1, 0.2), (0.4, 0.7), (0.9, 0.5))]
    with pytest.raises(ReadsimError, match=r"may be a\.\.b or c\.\.d.*--sources"):
        one_file(tmp_path, "a,b,c,d", [*rows])
    with pytest.raises(ReadsimError, match="--sources"):
        one_file(tmp_path, "a,b,s", [(0.3, 0.3, 0.4), (0.2, 0.5, 0.6)])
    with pytest.raises(UnknownNameError, match="did you mean 'train'"):
        one_file(tmp_path, "train,b,s", [(0.3, 0.7, 0.4)] * 3, Options(sources=["trian"]))


def test_several_sizes_need_a_choice(tmp_path: Path) -> None:
    rows = [(*s, "1m" if i % 2 else "60m", i / 9) for i, s in enumerate(SHARES)]
    with pytest.raises(ReadsimError, match="60m, 1m: choose one with --size"):
        one_file(tmp_path, "a,b,c,size,s", rows)
    runs = one_file(tmp_path, "a,b,c,size,s", rows, Options(size="60m"))
    assert len(runs.tokens) == 3
    with pytest.raises(UnknownNameError, match="size"):
        one_file(tmp_path, "a,b,c,size,s", rows, Options(size="7b"))


def test_steps_without_tokens_are_refused(tmp_path: Path) -> None:
    rows = [(*s, i, i / 9) for i, s in enumerate(SHARES)]
    with pytest.raises(ReadsimError, match="no column `tokens`"):
        one_file(tmp_path, "a,b,c,step,s", rows)


@pytest.mark.parametrize("text", ["", "a,b\n", "a;b\n1;2\n", 'a,b\n"1,2\n'])
def test_files_that_are_no_tables(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ReadsimError, match=r"runs\.csv"):
        read_run_table(path, None, Options())
    with pytest.raises(ReadsimError, match="no such file"):
        read_run_table(tmp_path / "none.csv", None, Options())


def test_how_long_the_runs_were_is_asked_and_not_guessed(tmp_path: Path) -> None:
    two_files(tmp_path)
    with pytest.raises(ReadsimError, match=r"runs\.csv: shares do not say .* give --tokens"):
        read_run_table(tmp_path / "runs.csv", tmp_path / "targets.csv", Options())


def test_a_spreadsheet_of_another_country(tmp_path: Path) -> None:
    """Semicolons, decimal commas, a byte order mark and CRLF: the same runs."""
    plain = two_files(tmp_path)
    for name in ("runs.csv", "targets.csv"):
        text = (tmp_path / name).read_text(encoding="utf-8").replace(",", ";").replace(".", ",")
        (tmp_path / name).write_bytes(text.replace("\n", "\r\n").encode("utf-16"))
    again = read_run_table(
        str(tmp_path / "runs.csv"), tmp_path / "targets.csv", Options(budget=BUDGET)
    )
    assert np.array_equal(again.tokens, plain.tokens)
    assert np.array_equal(again.profiles, plain.profiles)


def test_patterns_end_at_boundaries() -> None:
    assert pattern_of(["train_arxiv", "train_article"]) == "train_*"
    assert pattern_of(["x/a_loss", "x/b_loss"]) == "x/*_loss"
    assert pattern_of(["one"]) == "*"
    assert strip(["x/a_loss"], "x/*_loss") == ("a",)
    assert patterns(["wiki_en", "wiki_fr"], ["math", "code"]) == ("*", "*")


def test_regmix_as_it_is() -> None:
    folder = SHARED / "regmix"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    runs = read_run_table(
        folder / "train_mixture_1m.csv", folder / "train_pile_loss_1m.csv", Options(budget=BUDGET)
    )
    assert runs.tokens.shape == (512, 17)
    assert runs.profiles.shape == (512, 13)
    assert set(runs.capabilities) < set(runs.sources)
    assert any("0.996..1.003" in note for note in runs.notes)


@pytest.mark.parametrize("first", ["tokens:web", "share:web", "weight:web", "share_web", "web"])
def test_a_cell_that_is_no_number_is_an_error_and_no_name(first: str, tmp_path: Path) -> None:
    """A first column that holds numbers, or is called like a source, does not name the rows."""
    other = first.replace("web", "code")
    big = "tokens" in first
    rows = [
        f"{x * 1e6 if big else x:g},{(1 - x) * 1e6 if big else 1 - x:g},{0.1 + 0.5 * x:g}"
        for x in (0.125, 0.25, 0.375, 0.5, 0.75)
    ]
    rows[1] = "abc" + rows[1][rows[1].index(",") :]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join([f"{first},{other},exam", *rows]) + "\n")
    with pytest.raises(ConfigError, match=rf"line 3, column '{first}': 'abc' is not a number"):
        read_run_table(path, None, Options(budget=1e6))


def test_a_column_that_says_something_else_names_no_rows(tmp_path: Path) -> None:
    """Tokens such as 20M come first: these are no names of runs, and rows of 20M no single run."""
    path = tmp_path / "runs.csv"
    path.write_text("tokens,share:a,share:b,exam\n20M,.5,.5,.1\n20M,.2,.8,.2\n30M,.5,.5,.3\n")
    assert read_run_table(path, None, Options()).key == ""
