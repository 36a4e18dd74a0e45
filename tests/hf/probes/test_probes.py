"""The suite: exact, without traces, equal to a model run by hand."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from readsim.errors import CapabilityMissingError, ConfigError, UnknownNameError
from readsim_hf.probes.benchmark import ScoreScale, TextBenchmark, prompt_benchmark
from readsim_hf.probes.items import prompt_item
from readsim_hf.probes.splits import Sizes, Splits, draw_items
from readsim_hf.prompts.library import NANO, Form
from readsim_hf.prompts.prompt import Prompt
from tests.support.probe_models import Sums, by_hand, characters, drawn, tiny_model

needs_model = pytest.mark.extra("torch", "transformers", "lm_eval")


def test_scales() -> None:
    assert [ScoreScale(1, 5)(x) for x in (1, 3, 5)] == [0.0, 0.5, 1.0]
    # four options: guessing is 0, all right is 1
    assert [ScoreScale(chance=0.25)(x) for x in (0.25, 1.0)] == [0.0, 1.0]
    assert ScoreScale(chance=0.25)(0.0) == pytest.approx(-1 / 3)
    for low, high, chance in ((1, 1, 0), (0, 1, 1.0), (0, 1, -0.1)):
        with pytest.raises(ConfigError):
            ScoreScale(low, high, chance)


def by_chance(prompt: Prompt, answer: str) -> bool:
    """A rule that a random model passes now and then."""
    return sum(map(ord, answer + prompt.text)) % 2 == 0


def suite_of(names: Sequence[str], **rest: Any) -> Any:
    from readsim_hf.probes.suite import ProbeSuite

    made = [prompt_benchmark(n, f"cap-{n}", NANO, by_chance, 12, ("\n", "e")) for n in names]
    return ProbeSuite(made, drawn(names), **rest)


@needs_model
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("batch_size", [3, 64])
def test_a_measurement_equals_the_model_run_by_hand(kind: str, batch_size: int) -> None:
    from readsim_hf.probes.suite import ProbeSuite

    heard: list[str] = []

    def listen(prompt: Prompt, answer: str) -> bool:
        heard.append(answer)
        return by_chance(prompt, answer)

    model, tokenizer = tiny_model(kind), characters()
    splits = drawn(["a", "b"])
    made = [
        prompt_benchmark("a", "x", NANO, listen, 12, ("\n", "e")),
        prompt_benchmark("b", "y", NANO, listen, 5, ("99",), form="rationale"),
    ]
    found = ProbeSuite(made, splits, batch_size=batch_size).measure(model, tokenizer, "probe")
    replies, tokens, scores = [], 0, []
    forms: dict[str, Form] = {"a": "answer", "b": "rationale"}
    for name, most, stop in (("a", 12, ("\n", "e")), ("b", 5, ("99",))):
        for item in splits.items(name, "probe"):
            text = NANO.ask(item.prompt, forms[name])
            reply, used = by_hand(model, tokenizer, text, most, stop)
            replies.append(NANO.final_answer(reply))
            tokens += used
            scores.append(float(by_chance(item.prompt, replies[-1])))
    assert heard == replies
    assert found.tokens == tokens
    assert np.concatenate([found.scores["a"], found.scores["b"]]).tolist() == scores
    assert 0 < sum(scores) < len(scores)
    assert found.profile.tolist() == [np.mean(scores[:8]), np.mean(scores[8:])]
    assert found.ids["b"] == tuple(item.id for item in splits.items("b", "probe"))


@needs_model
def test_a_measurement_leaves_no_trace(capfd: pytest.CaptureFixture[str]) -> None:
    import torch

    model, tokenizer, suite = tiny_model(), characters(), suite_of("ab")
    model.train()
    model.model.layers[0].eval()
    tokenizer.padding_side = "right"
    numpy_state = vars(np.random)["get_state"]
    before = random.getstate(), numpy_state()[1].tolist(), torch.get_rng_state().tolist()
    capfd.readouterr()
    first, again = (suite.measure(model, tokenizer, "dev") for _ in range(2))
    assert capfd.readouterr() == ("", "")
    after = random.getstate(), numpy_state()[1].tolist(), torch.get_rng_state().tolist()
    assert before == after
    assert model.training
    assert not model.model.layers[0].training
    assert torch.is_grad_enabled()
    assert tokenizer.padding_side == "right"
    # the same weights give the same numbers
    assert first.tokens == again.tokens
    assert first.profile.tolist() == again.profile.tolist()
    change, error = suite.paired_change(first, again)
    assert change.tolist() == error.tolist() == [0.0, 0.0]


@needs_model
def test_changes_are_paired_item_by_item() -> None:
    from readsim_hf.probes.suite import ProbeSuite

    names = ["a", "b", "c"]
    made = [prompt_benchmark(n, "x" if n != "c" else "y", NANO, by_chance, 12) for n in names]
    suite = ProbeSuite(made, drawn(names))
    one, two = (suite.measure(tiny_model(seed=s), characters(), "probe") for s in (0, 1))
    change, error = suite.paired_change(one, two)
    assert change == pytest.approx(two.profile - one.profile, abs=1e-12)
    moved = {n: two.scores[n] - one.scores[n] for n in names}
    sem = {n: np.std(moved[n], ddof=1) / np.sqrt(8) for n in names}
    assert error == pytest.approx([np.hypot(sem["a"], sem["b"]) / 2, sem["c"]])
    assert error.min() > 0
    with pytest.raises(ConfigError, match="not of the same items"):
        suite.paired_change(one, suite.measure(tiny_model(), characters(), "dev"))


def constant(name: str, value: float, family: str = "", capability: str = "x") -> TextBenchmark:
    return TextBenchmark(
        name,
        capability,
        lambda _: "1+1=",
        lambda *_: value,
        1,
        scale=ScoreScale(0, 10),
        group=family,
    )


@needs_model
def test_a_profile_is_the_plain_mean_over_families() -> None:
    from readsim_hf.probes.suite import ProbeSuite

    sizes = {"a": 4, "b": 9, "c": 3}
    splits = Splits(
        {n: draw_items(n, [Sums()], 0, k, sizes=Sizes(size, 2, 2)) for k, (n, size) in
         enumerate(sizes.items())}
    )  # fmt: skip
    apart = ProbeSuite([constant("a", 1), constant("b", 4), constant("c", 10)], splits)
    assert apart.measure(tiny_model(), characters(), "probe").profile == pytest.approx([0.5])
    # b and c are one family: the number of items changes no weight
    joint = ProbeSuite([constant("a", 1), constant("b", 4, "f"), constant("c", 10, "f")], splits)
    assert joint.measure(tiny_model(), characters(), "probe").profile == pytest.approx([0.4])
    both = [constant("a", 1, capability="y"), constant("b", 4), constant("c", 10)]
    ordered = ProbeSuite(both, splits, ["x", "y"])
    assert ordered.measure(tiny_model(), characters(), "probe").profile == pytest.approx([0.7, 0.1])


@needs_model
def test_a_score_that_is_no_number_is_refused() -> None:
    from readsim_hf.probes.suite import ProbeSuite

    suite = ProbeSuite([constant("a", float("nan"))], drawn(["a"]))
    with pytest.raises(CapabilityMissingError, match="'a': 8 of 8 scores are not a number"):
        suite.measure(tiny_model(), characters(), "probe")


@needs_model
def test_a_suite_that_cannot_measure_is_refused() -> None:
    from readsim_hf.probes.suite import ProbeSuite

    with pytest.raises(ConfigError, match="'y' has no benchmark"):
        ProbeSuite([constant("a", 1)], drawn(["a"]), ["x", "y"])
    with pytest.raises(ConfigError, match="'b' has no items"):
        ProbeSuite([constant("b", 1)], drawn(["a"]))
    with pytest.raises(ConfigError, match="'a' is named twice"):
        ProbeSuite([constant("a", 1), constant("a", 2)], drawn(["a"]))
    with pytest.raises(UnknownNameError, match="unknown capability 'x'"):
        ProbeSuite([constant("a", 1)], drawn(["a"]), [])


@needs_model
def test_the_suite_cannot_reach_test_items_before_the_end() -> None:
    suite = suite_of("a")
    with pytest.raises(CapabilityMissingError, match="final evaluation"):
        suite.measure(tiny_model(), characters(), "test")
    suite.open_test()
    assert len(suite.measure(tiny_model(), characters(), "test").scores["a"]) == 6
    suite.seal()
    with pytest.raises(CapabilityMissingError, match="final evaluation"):
        suite.measure(tiny_model(), characters(), "test")


@needs_model
def test_the_chat_template_is_applied_where_there_is_one() -> None:
    plain = "{% for m in messages %}{{ m.content }}{% endfor %}"
    wrapped = "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}"
    suite = suite_of("a")
    bare, same, chat = (
        suite.measure(tiny_model(), characters(t), "probe") for t in (None, plain, wrapped)
    )
    assert same.tokens == bare.tokens
    extra = len("[user] ") * 8
    replies = [
        by_hand(tiny_model(), characters(), "[user] " + NANO.ask(i.prompt, "answer"), 12, "\ne")[1]
        for i in suite.splits.items("a", "probe")
    ]
    assert chat.tokens == sum(replies)
    assert chat.tokens > extra


@needs_model
def test_a_prompt_that_does_not_fit_is_refused_or_cut() -> None:
    model = tiny_model(positions=16)
    with pytest.raises(ConfigError, match=r"has \d tokens, the model has room for 4 of the 16"):
        suite_of("a").measure(model, characters(), "probe")
    with pytest.raises(ConfigError, match=r"max_new_tokens: 'a' asks for 12 new tokens.* read 12"):
        suite_of("a").measure(tiny_model(positions=12), characters(), "probe")
    cut = suite_of("a", truncate=True).measure(model, characters(), "probe")
    assert cut.tokens <= 8 * 16


@needs_model
def test_the_lowest_score_is_that_of_guessing_worse_than_chance() -> None:
    """A quarter right by chance, alone on x; beside it on y a benchmark without correction."""
    from readsim_hf.probes.suite import ProbeSuite

    names = ["a", "b", "c"]
    corrected = ScoreScale(0, 10, chance=0.25)
    made = [
        replace(constant("a", 0.0, capability="x"), scale=corrected),
        replace(constant("b", 0.0, capability="y"), scale=corrected),
        constant("c", 0.0, capability="y"),
    ]
    suite = ProbeSuite(made, drawn(names))
    assert suite.lowest == pytest.approx(-1 / 3)
    assert ProbeSuite(made[1:], drawn(names[1:])).lowest == pytest.approx(-1 / 6)
    assert ProbeSuite(made[2:], drawn(names[2:])).lowest == 0.0


@needs_model
def test_what_is_scored_stands_behind_the_thoughts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a student that thinks aloud, whoever opened its thoughts; stop texts in them end nothing."""
    import torch
    from lm_eval.evaluator import evaluate

    from readsim_hf.probes.lm import ProbeLM, _Rows, as_it_was, quiet

    opening = "{{ messages[0]['content'] }}<think>\n"
    for template, reply, answer in (
        (None, "<think>8\nor 9</think>7", "7"),
        (None, "<think>8 or 7", ""),
        (None, "7", "7"),
        (opening, "8 or 7", ""),
        (opening, "8\nor 9</think>\n7", "7"),
    ):
        tokenizer = characters(template)
        lm = ProbeLM(tiny_model(), tokenizer, 2)
        ids = tokenizer(reply, add_special_tokens=False)["input_ids"]

        def said(context: Any, ids: list[int] = ids, **_: Any) -> Any:
            return torch.cat([context, torch.tensor([[*ids, 1]] * len(context))], dim=1)

        monkeypatch.setattr(lm, "_model_generate", said)
        scored: list[str] = []

        def score(data: Any, text: str, scored: list[str] = scored) -> float:
            scored.append(text)
            return 1.0

        made = TextBenchmark("sums", "math", lambda data: "3+4=", score, 60, ("\n",))
        task = made.task([prompt_item("sums", Prompt("math", "x", "3+4", answer="7"))])
        with quiet(), as_it_was(lm.model, tokenizer):
            evaluate(
                lm, {"tasks": {"sums": task}}, bootstrap_iters=0, apply_chat_template=bool(template)
            )
        assert scored == [answer], (template, reply)
    start = 2  # of the reply: the last prompt opened its thoughts
    for text, done in (("8\n", False), ("8</think>7", False), ("8\n</think>7\n", True)):
        rows = _Rows(lm, start, ["\n"], [1])
        ids = tokenizer("?" * start + text, add_special_tokens=False)["input_ids"]
        for n in range(start + 1, len(ids) + 1):
            ended = rows(torch.tensor([ids[:n]]), torch.zeros(1))
        assert bool(ended) is done, text


@needs_model
def test_items_behind_a_score() -> None:
    from readsim_hf.probes.suite import ProbeSuite

    made = [
        prompt_benchmark(n, c, NANO, by_chance, 12, ("\n", "e"))
        for n, c in (("a", "x"), ("b", "x"), ("c", "y"), ("d", "z"))
    ]
    suite = ProbeSuite(made, drawn(["a", "b", "c", "d"]), hidden=["z"])
    size = suite.splits.sizes("probe")["a"]
    # the mean of two equal benchmarks has half the variance of one, as one of twice the size
    assert suite.probe_items().tolist() == [2.0 * size, size]
