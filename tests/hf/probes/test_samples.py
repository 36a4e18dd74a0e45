"""The replies that are kept at each decision: which, what they cost, and how they are shown."""

import random
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.runs.rows import SampledReply
from tests.hf.probes.test_registry import all_in_probe, arc_rows, write
from tests.support.hf import NEEDS
from tests.support.hf_runs import small
from tests.support.probe_models import characters, tiny_model

pytestmark = pytest.mark.extra(*NEEDS)


def test_they_are_the_first_items_with_their_scores_and_cost_nothing() -> None:
    two, none = small(probes={"samples": 2}), small(probes={"samples": 0})
    measured, without = (backend.reset(1) for backend in (two, none))
    assert measured.token_usage == without.token_usage
    assert none.probe_samples() == ()
    samples, suite = two.probe_samples(), two.components.suite
    scores = two.measure("probe").scores
    assert [s.capability for s in samples] == [c for c in suite.capabilities for _ in range(2)]
    for n, sample in enumerate(samples):
        (own,) = [b for b in suite.benchmarks if b.capability == sample.capability]
        item = suite.splits.items(own.name, "probe")[n % 2]
        assert (sample.item, sample.asked, sample.gold) == (item.id, item.asked, item.prompt.answer)
        assert sample.score == scores[own.name][n % 2] == own.score(item.data, sample.reply)
    assert two.probe_samples() == samples


def test_the_identity_of_a_run_does_not_depend_on_them() -> None:
    one, other = small(probes={"samples": 0}), small(probes={"samples": 3})
    assert one.components.identity == other.components.identity


def test_of_choices_the_one_that_the_metric_takes_is_the_reply(tmp_path: Path) -> None:
    from readsim_hf.probes.registry import from_local
    from readsim_hf.probes.suite import ProbeSuite

    made, items = from_local("arc_challenge", write(tmp_path / "a.jsonl", arc_rows(24)))
    suite = ProbeSuite([made], all_in_probe(made, items), samples=20)
    found = suite.measure(tiny_model("llama", 512), characters(), "probe")
    rights = [sample.reply == sample.gold for sample in found.samples]
    assert rights == [score == 1.0 for score in found.scores["arc_challenge"]]
    assert 0 < sum(rights) < len(rights)
    for sample, row in zip(found.samples, arc_rows(24), strict=False):
        assert {sample.reply, sample.gold} <= set(row["choices"]["text"])


def test_the_benchmarks_of_a_capability_take_turns() -> None:
    from readsim_hf.probes.benchmark import TextBenchmark
    from readsim_hf.probes.samples import sampled_items

    def made(name: str, capability: str) -> Any:
        return TextBenchmark(name, capability, str, lambda *_: 0.0, 1)

    a, b, c = made("a", "math"), made("b", "math"), made("c", "code")
    items: Any = {"a": range(5), "b": range(1), "c": range(1)}
    assert sampled_items([a, c, b], items, 3) == [(a, 0), (b, 0), (a, 1), (c, 0)]
    assert sampled_items([a, c, b], items, 0) == []


def test_a_long_text_is_cut_with_a_mark() -> None:
    from readsim_hf.probes.samples import LONGEST, cut

    assert cut("x" * LONGEST) == "x" * LONGEST
    assert cut("x" * (LONGEST + 7)) == "x" * LONGEST + " [cut: 7 more characters]"


@pytest.mark.extra("tensorboard")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
def test_nothing_that_a_student_says_is_mark_up() -> None:
    """TensorBoard's own renderer shows each text as it was, and control characters as escapes."""
    from readsim_hf.probes.samples import as_markdown

    hostile = "# head\n\n```\n</code></pre><script>alert(1)</script>\n* [a](javascript:b)\n\x1b[31m\r\ud800"
    rng = random.Random(0)
    noise = "".join(rng.choice("`*_#<>&|~\n \t\\[]()!-+.1\x00\x85\u2028é") for _ in range(300))
    for text in (hostile, noise, "", " \n"):
        sample = SampledReply("math", "id", "asked", "gold", text, 1.0)
        (shown,) = as_markdown([sample]).values()
        shown.encode()  # what cannot be written is escaped
        assert not set("\x00\x1b\r\x85\u2028\ud800") & set(shown)
        page: str = import_module("tensorboard.plugin_util").markdown_to_safe_html(shown)
        assert page.count("<pre>") == page.count("</pre>") == 3
        for tag in ("<script", "<a ", "<h1", "<li", "<em", "<table"):
            assert tag not in page
    both = as_markdown([SampledReply("math", "a", "", "", "", s) for s in (1.0, 0.0, -0.25)])[
        "math"
    ]
    assert [line for line in both.split("\n") if line.startswith("**")] == [
        "**right** (a)",
        "**wrong** (a)",
        "**score -0.25** (a)",
    ]


def test_the_first_reply_of_a_run_is_that_of_the_fresh_student() -> None:
    """Also after a trial, which is undone, the next decision has replies of its own."""
    backend = small()
    backend.reset(1)
    first = backend.probe_samples()
    backend.run_interval(0, np.array([0.5, 0.5]), 40)
    backend.reset(1)
    assert backend.probe_samples() == first
