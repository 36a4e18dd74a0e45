"""Settings that a run would not read are refused, and whose temperature draws which replies."""

import ast
import inspect
import sys
from typing import Any

import pytest

from readsim.errors import ConfigError
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)


def refused(*tables: dict[str, Any]) -> str:
    """What `supervision` says of these settings; "" where it takes them."""
    from readsim_hf.config import RunConfig
    from readsim_hf.supervision import supervision

    try:
        supervision(RunConfig.of(*tables))
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("method", "table", "setting", "reader"),
    [
        ("dpo", "sampling", {"reward": "judge"}, "kdrl"),
        ("mopd", "sampling", {"rubric": "x"}, "kdrl"),
        ("kdrl", "sampling", {"rubric": "x"}, ""),
        ("resp-sft", "elicitation", {"traces": 9}, "several-traces"),
        ("corrected", "elicitation", {"traces": 9}, "own-right"),
        ("evolved-prompts", "elicitation", {"shown": 9}, "new-prompts"),
        ("resp-sft", "soft", {"kind": "sampled"}, "logit-kd"),
        ("cot-sft", "soft", {"k": 9}, "gkd"),
        ("mopd", "decoding", {"temperature": 0.2}, ""),
        ("opd", "decoding", {"temperature": 0.2}, ""),
        ("own-right", "decoding", {"temperature": 0.2}, ""),
        ("mopd", "decoding", {"student_temperature": 0.2}, "gkd"),
        ("dpo", "decoding", {"student_temperature": 0.2}, "opd"),
        ("logit-kd", "decoding", {"student_temperature": 0.2}, "opd"),
        ("several-traces", "decoding", {"student_temperature": 0.2}, "gkd"),
        ("logit-kd", "", {"auxiliary_weight": 0.3}, "step-by-step"),
        ("critique", "", {"auxiliary_weight": 0.3}, "step-by-step"),
        ("cot-sft", "student_server", {"every": 5}, ""),
        ("opd", "student_server", {"every": 5}, ""),
        *((name, "data", {"keep": "correct"}, "") for name in ("opd", "kdrl", "grpo", "own-right")),
    ],
)
def test_what_is_not_read_is_refused_with_who_reads_it(
    method: str, table: str, setting: dict[str, Any], reader: str
) -> None:
    (name, value), *_ = setting.items()
    given = {table: setting} if table else setting
    said = refused({"method": method} | given)
    assert said.startswith(f"{table}.{name} = {value!r}: ".lstrip("."))
    assert reader in said
    if reader:
        more = {"sampling": {"reward": "judge"}} if name == "rubric" else {}
        assert refused({"method": reader} | given, more) == ""


def test_what_is_read_elsewhere_is_taken_there() -> None:
    served = {"address": "http://127.0.0.1:1/v1", "folder": "weights", "every": 5}
    assert refused({"method": "opd", "student_server": served}) == ""
    for method in ("logit-kd", "gkd", "dpo", "several-traces"):  # the teacher answers
        assert refused({"method": method, "data": {"keep": "correct"}}) == ""
    given = {"keep": "correct", "sources": [{"path": "rows.jsonl"}]}  # replies may be in the rows
    assert refused({"method": "opd", "data": given}) == ""


def test_several_teachers_review_one_reply_of_each() -> None:
    traces = {"method": "peer-review", "elicitation": {"traces": 9}}
    several = {"pair": {"teacher": "a", "student": "b", "teachers": {"math": "c"}}}
    said = refused(traces, several)
    assert said.startswith(
        "elicitation.traces = 9: signal 'peer-review' does not read it where several"
    )
    assert refused(traces) == ""
    several["pair"]["teachers"] = {"math": "a"}  # one teacher, twice
    assert refused(traces, several) == ""
    assert refused({"method": "peer-review", "elicitation": {"score": 5.0}}, several) == ""


def test_what_a_preset_says_is_not_given_by_anybody() -> None:
    from readsim_hf.config import preset_table
    from readsim_hf.methods.table import METHODS

    for name in ("nano", "micro", "smollm2"):
        for method, row in METHODS.items():
            if row.command or ("span" in row.objective and name != "smollm2"):  # span needs a top-k
                continue
            assert refused(preset_table(name), {"pair": {"name": name}, "method": method}) == ""


def test_signals_say_which_settings_they_read() -> None:
    """`reads` against `self.settings.NAME` in the source of each class and its module."""
    from readsim_hf.elicitation.base import Elicitation, ElicitationConfig
    from readsim_hf.elicitation.catalogue import make_signal, readers_of
    from readsim_hf.objectives.table import OWN, TEXTS

    for name in (*TEXTS, *OWN):
        signal = make_signal(name, ElicitationConfig())
        assert isinstance(signal, Elicitation)
        tree = ast.parse(inspect.getsource(sys.modules[type(signal).__module__]))
        found = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "settings"
        }
        unused = {"shown"} if name == "evolved-prompts" else set()  # it shows the prompt alone
        assert set(signal.reads) == found - unused, name
    for field in vars(ElicitationConfig()):
        assert readers_of(field), field


@pytest.mark.parametrize(
    ("method", "field", "replies"),
    [
        *((name, "temperature", 2) for name in ("new-prompts", "evolved-prompts")),
        *((name, "temperature", 2) for name in ("errors-varied", "guided-prompts")),
        ("selective-reflection", "temperature", 2),
        *((name, "temperature", 5) for name in ("several-traces", "likeliest-fit", "peer-review")),
        ("own-right", "student_temperature", 5),
    ],
)
def test_different_replies_are_not_asked_for_without_draws(
    method: str, field: str, replies: int
) -> None:
    greedy = {"method": method, "decoding": {field: 0.0}}
    traces = replies == 5
    said = refused(greedy, {"elicitation": {"traces": 5}} if traces else {})
    assert said.startswith(f"decoding.{field} = 0 with signal {method!r}: its {replies} replies ")
    one = refused(greedy, {"elicitation": {"traces": 1}} if traces else {})
    assert (one == "") is traces  # the filter of what can be answered always needs two
    assert refused({"method": method}) == ""


def test_several_teachers_review_each_other_without_draws() -> None:
    several = {"pair": {"teacher": "a", "student": "b", "teachers": {"math": "c"}}}
    greedy = {"method": "peer-review", "decoding": {"temperature": 0.0}}
    assert refused(greedy, several) == ""
    several["pair"]["teachers"] = {"math": "a"}  # one teacher, twice
    assert "its 4 replies" in refused(greedy, several)


def test_the_student_draws_from_its_own_distribution() -> None:
    """GKD (2306.13649) and MiniLLM (2306.08543): at temperature 1, whatever the teacher's is."""
    from readsim_hf.config import RunConfig
    from tests.support.hf_runs import small

    decoding = RunConfig.of({"method": "gkd"}).decoding
    assert decoding.of_student().temperature == 1.0
    assert decoding.of_teacher().temperature == 0.7
    given = {"temperature": 0.3, "student_temperature": 0.6, "max_new_tokens": 8}
    backend = small(method="gkd", decoding=given)
    backend.reset(0)
    replies = backend._feed.teacher
    assert replies._rollout.temperature == 0.6
    assert replies.teacher.decoding.temperature == 0.3
    base, own = small(method="gkd"), small(method="logit-kd")
    assert backend.components.identity != base.components.identity
    assert "student_temperature" in base.components.manifest["decoding"]
    assert "student_temperature" not in own.components.manifest["decoding"]
