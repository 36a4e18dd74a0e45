"""What a student reads of the replies of its groups before a step: which constants, and what is charged."""

import pytest

from tests.hf.training.test_groups import sampled
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.mark.parametrize(("name", "times"), [("mopd", 1), ("dpo", 1), ("rrhf", 0), ("contrast", 0)])
@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_what_is_read_before_a_step_is_charged_and_planned(name: str, times: int) -> None:
    """Each reply of a group, with its prompt, once for each of `old` and `start`."""
    from readsim_hf.config import RunConfig
    from readsim_hf.supervision import reads_of

    assert reads_of(RunConfig.of({"signal": "cot", "objective": name})) == times
    backend = sampled(name, decoding={"max_new_tokens": 8})
    backend.reset(1)
    groups_ = backend._feed.teacher
    before, wrote = groups_.tokens["student_rollout"], groups_._replies._rolled
    made = groups_.ask(backend._feed.streams[0].take(6, 0.5))
    read = sum(len(r.prompt_ids) + len(r.completion_ids) for g in made if g for r in g)
    assert read > 0
    wrote = groups_._replies._rolled - wrote
    assert groups_.tokens["student_rollout"] - before == wrote + times * read


def test_terms_on_the_same_groups_have_the_constants_of_both() -> None:
    from readsim_hf.objectives.sampling import sampling_of
    from readsim_hf.objectives.table import make_objective

    found = sampling_of(make_objective("mopd-kl + minillm + mopd"))
    assert found is not None
    assert found.constants == ("old", "teacher", "return")
    assert (found.samples, found.teacher) == (1, False)
