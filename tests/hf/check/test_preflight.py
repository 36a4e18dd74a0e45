"""The preflight: it holds where all is right, and sees each fault that is put into a batch or a probe."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_app import call
from tests.support.chat_models import FAMILIES, chat_folder
from tests.support.hf import NEEDS, char_pair
from tests.support.hf_runs import small

pytestmark = pytest.mark.extra(*NEEDS)


def loud(pair: Any) -> Any:
    """The pair with a student whose distributions are far from uniform, so that faults show."""
    import torch

    with torch.no_grad():
        for parameter in pair.student.parameters():
            parameter.mul_(3.0)
    return pair


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"method": "cot-sft"},
        {"method": "resp-kd", "soft": {"kind": "full"}},
        {"method": "logit-sft", "soft": {"kind": "sampled", "k": 4}},
        {"method": "step-by-step"},
        {"method": "", "signal": "resp", "objective": "rkl", "on_policy": 0.5},
        {"training": {"lora": 2, "micro_batch": 1}},
    ],
)
def test_it_holds_where_all_is_right(settings: dict[str, Any]) -> None:
    from readsim_hf.check.preflight import free_check

    parts = small(pair=loud(char_pair()), **settings).components
    before = {k: v.clone() for k, v in parts.pair.student.state_dict().items()}
    free = free_check(parts)
    assert free.failures == []
    assert free.loss is not None
    assert free.loss.tokens > 0
    for view in free.views:
        text = "".join(view.student_pieces)
        assert view.probe == view.student
        assert view.teacher == view.student or settings.get("method") == "step-by-step"
        assert view.text in text
        assert view.trained.endswith("<eos>")
    assert parts.teacher.counts.prompts == 0  # nothing was asked
    assert all((v == before[k]).all() for k, v in parts.pair.student.state_dict().items())


def test_rows_of_a_data_set_are_shown_one_after_the_other(tmp_path: Path) -> None:
    """Three of them; a reply that the data have is not called made up."""
    from readsim_hf.check.preflight import free_check
    from readsim_hf.components import build_components
    from readsim_hf.config import RunConfig

    rows = [{"prompt": f"{n}+1=", "completion": str(n + 1)} for n in range(30)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    items = [{"question": f"{n}+2=", "answer": str(n + 2)} for n in range(40)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, items)))
    task = {"capability": "sums", "path": str(tmp_path / "items.jsonl"), "metric": "exact"}
    settings = {
        "method": "resp-sft",
        "data": {"sources": [{"name": "sums", "path": str(tmp_path / "sums.jsonl")}]},
        "probes": {"tasks": [task], "probe": 4, "dev": 4, "test": 4},
    }
    free = free_check(build_components(RunConfig.of(settings), loud(char_pair())))
    assert [view.template for view in free.views] == ["sums#0", "sums#1", "sums#3"]
    assert all(view.gold for view in free.views)


@pytest.mark.parametrize("family", ["llama-3", "gemma-3", "qwen-3"])
def test_it_holds_for_an_instruct_teacher_and_its_base_student(family: str, tmp_path: Path) -> None:
    from readsim_hf.check.preflight import free_check
    from readsim_hf.components import build_components
    from readsim_hf.config import RunConfig
    from readsim_hf.models.pairs import load_pair

    chat = FAMILIES[family]
    teacher = chat_folder(tmp_path / "teacher", chat, instruct=True)
    student = chat_folder(tmp_path / "student", chat, instruct=False, seed=1)
    with pytest.warns(UserWarning, match="takes its teacher's"):
        pair = load_pair(teacher=teacher, student=student, teacher_precision="fp32")
    settings = {"method": "resp-sft", "data": {"capabilities": ("math", "general")}}
    probes = {"probe": 2, "dev": 2, "test": 2}
    config = RunConfig.of({"steps": 2, "budget": 400, "probes": probes}, settings)
    free = free_check(build_components(config, pair))
    assert free.failures == []
    assert [view.teacher for view in free.views] == [view.student for view in free.views]
    start = pair.tokenizer.bos_token
    assert free.views[0].student_pieces[:2].count(start) == (1 if family != "qwen-3" else 0)


def shifted(batch: Any) -> Any:
    return batch._replace(columns=batch.columns - 1)


def other_rows(batch: Any) -> Any:
    return batch._replace(rows=batch.rows.flip(0))


def unmasked(batch: Any) -> Any:
    import torch

    return batch._replace(attention_mask=torch.ones_like(batch.attention_mask))


def masked(batch: Any) -> Any:
    mask = batch.attention_mask.clone()
    mask[:, -3:-1] = 0
    return batch._replace(attention_mask=mask)


def padded_right(batch: Any) -> Any:
    import torch

    ids, mask = batch.input_ids.clone(), batch.attention_mask.clone()
    for row in range(len(ids)):
        pad = int((mask[row] == 0).sum())
        ids[row], mask[row] = torch.roll(ids[row], -pad), torch.roll(mask[row], -pad)
    return batch._replace(input_ids=ids, attention_mask=mask)


def other_targets(batch: Any) -> Any:
    soft = batch.targets.soft
    turned = soft and soft._replace(ids=soft.ids.roll(1, 0), logp=soft.logp.roll(1, 0))
    return batch._replace(targets=batch.targets._replace(soft=turned))


@pytest.mark.parametrize(
    "fault", [shifted, other_rows, unmasked, masked, padded_right, other_targets]
)
def test_the_loss_against_itself_sees_a_fault_of_the_batch(
    fault: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.check.preflight import free_check
    from readsim_hf.training.batch import collate

    parts = small(pair=loud(char_pair())).components
    name = "readsim_hf.training.student.collate"
    monkeypatch.setattr(name, lambda *given, **how: fault(collate(*given, **how)))
    (line,) = free_check(parts).failures
    assert line.startswith("self-loss: the student against itself loses")


@pytest.mark.parametrize("fault", [shifted, other_rows, masked])
def test_the_shown_labels_are_those_of_the_batch(
    fault: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.check.preflight import free_check
    from readsim_hf.training import batch

    parts = small().components
    real = batch.collate
    monkeypatch.setattr(batch, "collate", lambda *given, **how: fault(real(*given, **how)))
    assert any(line.startswith("labels: ") for line in free_check(parts).failures)


def test_a_probe_that_sends_other_ids_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.check.preflight import free_check
    from readsim_hf.probes.lm import ProbeLM

    parts = small().components
    real = ProbeLM.tok_encode
    monkeypatch.setattr(ProbeLM, "tok_encode", lambda *a, **k: [5, *real(*a, **k)])
    failures = free_check(parts).failures
    assert len(failures) == 3
    assert "they differ from token 0 on" in failures[0]


def test_what_the_teacher_says_is_judged_and_paid_for_once(tmp_path: Path) -> None:
    from readsim_hf.backend import data_seed
    from readsim_hf.check.answers import first_prompts
    from readsim_hf.check.preflight import free_check, paid_check, save_check
    from readsim_hf.config import RunConfig

    backend = small(data={"cache": str(tmp_path / "t.sqlite"), "group": 4})
    parts = backend.components
    first = paid_check(parts, RunConfig(), 4)
    again = paid_check(parts, RunConfig(), 4)
    assert first.cost["generated_tokens"] > 0
    assert again.cost["prompt_tokens"] == again.cost["generated_tokens"] == 0
    assert again.answers == first.answers
    assert again.cost["cached"] > 0
    for answers in first.answers.values():
        assert answers.asked == answers.judged == 4
        assert sum(answers.rejected.values()) <= answers.replies
        for one in answers.examples:
            assert one.reason in ("empty", "form")
            assert not one.kept
    assert first.warnings  # a random model is weak
    feed = parts.feed(data_seed(0, 0), lambda: parts.pair.student)
    asked = {p.text for s in feed.streams for f in (0.0, 0.5, 1.0) for p in s.take(20, f)}
    checked = {p.text for some in first_prompts(parts, 0, 4).values() for p in some}
    assert checked <= asked  # the run finds them in the cache
    path = tmp_path / "x.check.json"
    save_check(path, "a", free_check(parts), first)
    save_check(path, "a", free_check(parts), None)  # the run's own keeps what was paid for
    assert json.loads(path.read_text())["teacher"]["cost"] == first.cost
    save_check(path, "b", free_check(parts), None)
    assert "teacher" not in json.loads(path.read_text())


def test_right_and_wrong_answers_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher that says the gold answer to every second prompt, and nothing to the others."""
    from readsim_hf.check.answers import ask_teacher, first_prompts
    from readsim_hf.teachers import teacher as module
    from readsim_hf.teachers.encoding import bare_ids

    parts = small(decoding={"temperature": 0.0}).components
    prompts = first_prompts(parts, 0, 4)
    one = parts.teacher
    by_ids = {one.encode(p).tobytes(): p for some in prompts.values() for p in some}
    right = [p for some in prompts.values() for p in some[::2]]

    def said(model: Any, asked: Any, *_: Any, spoken: Any, **__: Any) -> list[Any]:
        told = [by_ids[ids.tobytes()] for ids in asked]
        texts = [p.answer if p in right else "" for p in told]
        return [[*bare_ids(one.tokenizer, str(text)), one.ends[0]] for text in texts]

    monkeypatch.setattr(module, "generate", said)
    answers = ask_teacher(parts, prompts)
    for found in answers.values():
        assert (found.asked, found.judged, found.right) == (4, 4, 2)
        assert sum(found.rejected.values()) == len(found.examples) == 2
        assert found.rejected == {"empty": 2}
    assert parts.teacher.listener is None


def test_a_run_whose_check_fails_does_not_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import readsim_hf.distill
    from readsim_hf.probes.lm import ProbeLM

    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(readsim_hf.distill, "pair_of", lambda *_, **__: char_pair())
    few = ("--budget", "300", "--steps", "2", "--probe-items", "3", "--capabilities", "math,code")
    command = ("distill", *few, "--out", "o")
    code, out, err = call(capsys, *command, "--check", "--check-prompts", "3")
    assert (code, err) == (0, "")
    assert "trained to say" in out
    assert "of the teacher; 0 replies were in the cache" in out
    (path,) = Path("o/runs").iterdir()
    assert path.name.endswith(".check.json")
    real = ProbeLM.tok_encode
    monkeypatch.setattr(ProbeLM, "tok_encode", lambda *a, **k: [5, *real(*a, **k)])
    code, out, err = call(capsys, *command, "--check")
    assert code == 1
    assert "the teacher is not asked" in out
    assert [line.split(":")[0] for line in err.splitlines()] == ["failed"] * 3
    code, _, err = call(capsys, *command)
    assert code != 0
    assert err.startswith("error: the check before the run failed: ids: ")
    assert len(err.splitlines()) == 1
    assert [p.suffix for p in Path("o/runs").iterdir()] == [".json"]  # no log was begun


def test_ids_of_a_view_are_what_it_says() -> None:
    from readsim_hf.check.gold import trained_on
    from readsim_hf.check.prompts import IGNORED, views

    parts = small(method="cot-sft").components
    for view in views(parts, trained_on(parts, 3)):
        start = view.mask.index(1)
        assert view.read[start : start + len(view.student)] == view.student
        assert set(view.mask[start:]) == {1}
        said = [t for t in view.labels if t != IGNORED]
        assert parts.pair.tokenizer.decode(said, skip_special_tokens=True) in view.spanned
        assert not replace(view, probe=[1]).same_ids
