"""Files of ranges: what they say, what they leave out, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from readsim.errors import UnknownNameError, WorldError
from readsim.worlds import draw_world, load_prior, load_world
from readsim.worlds.prior.ranges import ALWAYS, FIELDS, PriorChoice, PriorRange


def given(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_broad_says_where_each_part_comes_from() -> None:
    broad = load_prior("broad")
    assert broad.budget == 60e6
    assert list(broad.parts) == list(FIELDS)
    for name, part in broad.parts.items():
        assert len(part.fact) > 20, name
        assert part.share == 1.0 if name in ALWAYS else 0.0 < part.share < 1.0


def test_what_a_file_leaves_out_is_as_in_broad(tmp_path: Path) -> None:
    mine = load_prior(given(tmp_path, "[rehearsal]\nshare = 1\nshare_of_tokens = 0.1\n"))
    broad = load_prior("broad")
    assert mine.name == "mine"
    assert mine.budget == broad.budget
    assert mine.parts["rehearsal"].fact == "given by mine.toml"
    for name in set(FIELDS) - {"rehearsal"}:
        assert mine.parts[name] == broad.parts[name]
    world = load_world(f"random:prior={tmp_path / 'mine.toml'},seed=3")
    assert world.name == "mine-3"
    assert (world.rehearsal_share == 0.1).all()
    assert np.array_equal(world.start, draw_world("broad", 3).start)


def test_lengths_are_in_budgets(tmp_path: Path) -> None:
    small = load_prior(given(tmp_path, 'budget = "60k"\n'))
    for seed in range(12):
        large, little = draw_world("broad", seed), draw_world(small, seed)
        assert little.scale_tokens == pytest.approx(large.scale_tokens / 1000)
        for name in ("pool_tokens", "forgetting_tokens", "overtraining_tokens"):
            assert getattr(little, name) == pytest.approx(getattr(large, name) / 1000), name
        end = little.transfer_matrix(60e3)
        assert end == pytest.approx(large.transfer_matrix(60e6), abs=1e-9)


def test_a_range_is_even_on_its_scale() -> None:
    rng = np.random.default_rng(0)
    assert np.median(PriorRange(0.01, 1.0, log=True).draw(rng, 4000)) == pytest.approx(0.1, rel=0.1)
    assert np.mean(PriorRange(2.0, 4.0).draw(rng, 4000)) == pytest.approx(3.0, abs=0.05)
    whole = PriorRange(1, 3, whole=True).draw(rng, 3000)
    assert np.bincount(whole.astype(int))[1:] == pytest.approx([1000] * 3, rel=0.15)
    assert (PriorRange(0.3, 0.3, log=True).draw(rng, 5) == 0.3).all()
    drawn = [PriorChoice({"a": 0.25, "b": 0.0, "c": 0.75}).one(rng) for _ in range(2000)]
    assert drawn.count("c") == pytest.approx(1500, rel=0.1)
    assert "b" not in drawn


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[pool]\n", "unknown part of a prior 'pool'; did you mean 'pools'"),
        ("[pools]\ntoken = [1, 2]\n", "unknown field of pools 'token'; did you mean 'tokens'"),
        ("[pools]\ntokens = [2, 1]\n", "pools.tokens = [2, 1]: an empty range"),
        (
            "[pools]\ntokens = [0, 1]\n",
            "pools.tokens = [0, 1]: budgets of distinct tokens; numbers",
        ),
        ("[pools]\ntokens = [nan, 1]\n", "expected [least, most], or one number"),
        ("[pools]\ntokens = [1, 2, 3]\n", "expected [least, most], or one number"),
        ("[pools]\ntokens = true\n", "expected [least, most], or one number"),
        ("[pools]\nshare = 1.5\n", "pools.share = 1.5: the share of worlds that have it"),
        ("[gains]\nshare = 0.5\n", "unknown field of gains 'share'"),
        ("[sizes]\ncapabilities = [2.5, 4]\n", "whole numbers"),
        ("[gains]\nfamily = 'hil'\n", "unknown gains.family 'hil'; did you mean 'hill'"),
        ("[gains]\nfamily = { hill = -1 }\n", "the weight of hill is a number >= 0"),
        ("[gains]\nfamily = { hill = 0 }\n", "at least one weight above 0"),
        ("[gains]\nfamily = 3\n", "expected a table of name = weight"),
        ("[gains]\nfact = 3\n", "gains.fact = 3: expected text"),
        ("gains = 3\n", "gains = 3: expected a table of ranges"),
        ("name = 3\n", "name = 3: expected text"),
        ("budget = 'much'\n", "budget = 'much'"),
        ("budget = [1]\n", "budget = [1]: expected a number of tokens"),
        ("schema = 99\n", "reads priors up to 1"),
        ("[gains\n", "not TOML"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = given(tmp_path, text)
    with pytest.raises(WorldError) as caught:
        load_prior(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_none() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'broad'"):
        load_prior("boad")
