"""What replies of a group are worth: in a group that was cut, without distributions, beyond a top-k."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hf.teachers.test_two_tokenizers import other_pair
from tests.hf.training.test_groups import SHARES, sampled
from tests.support.hf import NEEDS, record
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=5), st.integers(1, 60))
def test_a_cut_never_turns_a_preference_round(lengths: list[int], left: int) -> None:
    """The teacher's reply stays in front; and a reply that is left alone prefers nothing."""
    from readsim_hf.objectives.compared import slopes
    from readsim_hf.objectives.table import make_objective
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
    for name in ("dpo", "plad"):
        logp = [np.full(e.tokens, -2.0, np.float32) for e in kept]
        known = [{k: v[: e.tokens] for k, v in e.record.constants.items()} for e in kept]
        first, *others = slopes(make_objective(name), logp, known)
        assert (first["slope"] < 0).all() if others else not first["slope"].any()
        assert all((one["slope"] > 0).all() for one in others)


# ---------------------------------------------------------------- rewards alone


@pytest.mark.parametrize("kind", ["topk", "sampled"])
@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_rewards_alone_need_no_distributions(kind: str) -> None:
    """Nor a teacher with the same tokens, which reads nothing."""
    one = small(method="grpo", pair=other_pair(), soft={"kind": kind, "k": 5})
    assert one.components.teacher.soft is None
    one.reset(1)
    usage = one.run_interval(0, SHARES, TOKENS).token_usage
    assert usage["student"] == TOKENS
    assert usage["student_rollout"] > 0
    assert usage["teacher_prompt"] == usage["teacher_generated"] == 0


def test_what_the_teacher_scores_still_needs_its_tokens() -> None:
    from readsim.errors import ConfigError

    with pytest.raises(ConfigError, match="different tokenizers"):
        small(method="kdrl", pair=other_pair())
    with pytest.raises(ConfigError, match="'kdrl' is not defined with 'sampled'"):
        small(method="kdrl", soft={"kind": "sampled"})
