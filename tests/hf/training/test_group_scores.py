"""What replies of a group are worth: in a group that was cut, without distributions, beyond a top-k."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ConfigError, TrainingError
from tests.hf.teachers.test_two_tokenizers import other_pair
from tests.hf.training.test_groups import SHARES, sampled
from tests.support.hf import NEEDS, char_pair, record, served_pair
from tests.support.hf_runs import TOKENS, small
from tests.support.made_server import serving

pytestmark = pytest.mark.extra(*NEEDS)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=5), st.integers(1, 60))
def test_a_cut_never_turns_a_preference_round(lengths: list[int], left: int) -> None:
    """The teacher's reply stays in front; and a reply that is left alone prefers nothing."""
    from readsim_hf.objectives.compared import slopes
    from readsim_hf.objectives.plad import PLaD
    from readsim_hf.objectives.preference import DPO
    from readsim_hf.training.example_stream import _fitting

    group = []
    for place, n in enumerate(lengths):
        one = record([2, 3], [4] * n)
        beside = {name: np.full(n, -1.0, np.float32) for name in ("start", "teacher", "score")}
        place_ = place, len(lengths)
        group.append(
            dataclasses.replace(one, own=place > 0, group=place_, constants=beside, row=place)
        )
    kept = _fitting(group, left)
    assert not kept[0].record.own
    rows = [e.record.row for e in kept]
    assert rows == sorted(rows)
    for objective in (DPO(), PLaD()):
        logp = [np.full(e.tokens, -2.0, np.float32) for e in kept]
        known = [{k: v[: e.tokens] for k, v in e.record.constants.items()} for e in kept]
        first, *others = slopes(objective, logp, known)
        assert (first["slope"] < 0).all() if others else not first["slope"].any()
        assert all((one["slope"] > 0).all() for one in others)


# ---------------------------------------------------------------- rewards alone


@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_rewards_alone_need_no_distributions() -> None:
    """Nor a teacher with the same tokens, which reads nothing."""
    one = small(method="grpo", pair=other_pair())
    assert one.components.teacher.soft is None
    one.reset(1)
    usage = one.run_interval(0, SHARES, TOKENS).token_usage
    assert usage["student"] == TOKENS
    assert usage["student_rollout"] > 0
    assert not any(
        usage[kind] for kind in ("teacher_prompt", "teacher_generated", "teacher_scored")
    )


@pytest.mark.extra("openai")
@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_rewards_alone_ask_a_server_for_nothing() -> None:
    with serving() as fake:
        one = small(method="grpo", pair=served_pair(fake.url))
        one.reset(1)
        usage = one.run_interval(0, SHARES, TOKENS).token_usage
    assert usage["student"] == TOKENS
    assert usage["student_rollout"] > 0
    assert fake.usage == [0, 0]


def test_what_the_teacher_scores_still_needs_its_tokens() -> None:
    with pytest.raises(ConfigError, match="different tokenizers"):
        small(method="kdrl", pair=other_pair())
    with pytest.raises(ConfigError, match="'kdrl' is not defined with 'sampled'"):
        small(method="kdrl", soft={"kind": "sampled"})


# ---------------------------------------------------------------- beyond a top-k


def groups_of(backend: Any, prompts: int = 3) -> list[Any]:
    backend.reset(1)
    some = backend._feed.streams[0].take(prompts, 0.5)
    return [group for group in backend._feed.teacher.ask(some) if group is not None]


def outside(record_: Any) -> int:
    """Tokens of a reply that are not among the entries of its distributions."""
    said = record_.completion_ids[record_.places]
    return int((record_.soft.ids != said[:, None]).all(-1).sum())


def test_a_run_of_a_student_that_is_its_teacher_stands_still() -> None:
    """The whole path of a return, at k = 2 of a hundred tokens."""
    from readsim_hf.training.batch import Example

    soft = {"kind": "topk", "k": 2}
    one = sampled("minillm", pair=char_pair(teacher_seed=2, student_seed=2), soft=soft)
    made = [r for group in groups_of(one) for r in group]
    assert sum(map(outside, made)) > 5
    for r in made:
        np.testing.assert_allclose(r.constants["return"], 0, atol=1e-4)
    examples = [Example(r, r.supervised) for r in made]
    window = one.student.train_window(examples, 0.0)
    assert abs(window.loss) < 1e-4
    assert window.gradient < 1e-4


@pytest.mark.parametrize("name", ["minillm", "dpkd", "rrhf", "plad(margin=0, scored=1)"])
def test_a_top_k_tells_what_all_of_a_distribution_tells(name: str) -> None:
    whole, part = (
        groups_of(sampled(name, soft=soft)) for soft in ({"kind": "full"}, {"kind": "topk", "k": 2})
    )
    assert sum(outside(r) for group in part for r in group) > 5
    for a, b in zip(whole, part, strict=True):
        for x, y in zip(a, b, strict=True):
            assert np.array_equal(x.completion_ids, y.completion_ids)
            assert set(x.constants) == set(y.constants)
            for key, values in x.constants.items():
                np.testing.assert_allclose(values, y.constants[key], atol=1e-5, err_msg=key)


def older(record_: Any) -> Any:
    """As an older readsim kept it."""
    from readsim_hf.teachers.codec import (
        record_from_bytes,
        record_from_tree,
        record_to_bytes,
        record_to_tree,
    )

    assert record_.soft is not None
    assert record_.soft.said is not None
    again: Any
    for again in (
        record_from_bytes(record_to_bytes(record_)),
        record_from_tree(record_to_tree(record_)),
    ):
        assert np.array_equal(again.soft.said, record_.soft.said)
    bare = dataclasses.replace(record_, soft=record_.soft._replace(said=None))
    again = record_from_bytes(record_to_bytes(bare))
    assert again.soft.said is None
    tree = record_to_tree(bare)
    tree["soft"] = tree["soft"][:3]
    again = record_from_tree(tree)
    assert again.soft.said is None
    return bare


def test_a_reply_that_an_older_readsim_kept_is_scored_once_more() -> None:
    """To the same numbers, on the same account; in a checkpoint, dispersion weights leave it out."""
    from readsim_hf.training.batch import Example
    from readsim_hf.training.source_weights import dispersion_weights

    soft = {"kind": "topk", "k": 2}
    one, other = sampled("dpkd", soft=soft), sampled("dpkd", soft=soft)
    ask = other.components.teacher.ask
    other.components.teacher.ask = lambda prompts: [r and older(r) for r in ask(prompts)]
    for a, b in zip(groups_of(one), groups_of(other), strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x.constants["teacher"], y.constants["teacher"], atol=1e-5)
            assert np.array_equal(x.soft.logp, y.soft.logp)
    assert one._feed.tokens == other._feed.tokens
    waiting = [r for group in groups_of(sampled("mopd", soft=soft)) for r in group]
    assert dispersion_weights([Example(r, r.supervised) for r in waiting])
    assert not dispersion_weights([Example(older(r), r.supervised) for r in waiting])


def test_a_teacher_that_does_not_say_is_refused() -> None:
    one = sampled("minillm", soft={"kind": "topk", "k": 2})
    score = one.components.teacher.score_many

    def silent(passages: Any) -> Any:
        return [s._replace(said=np.full_like(s.said, np.nan)) for s in score(passages)]

    one.components.teacher.score_many = silent
    with pytest.raises(TrainingError, match="not among its 2 likeliest: use a server that names"):
        groups_of(one)
