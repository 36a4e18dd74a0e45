"""Hidden states: each loss beside numpy, gradients by differences, learned maps that are kept, refusals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.errors import ConfigError, ReadsimError
from tests.hf.training.test_training import examples, student
from tests.support.differences import gradient_and_slopes
from tests.support.hf import NEEDS, char_pair, tiny
from tests.support.hf_runs import small
from tests.support.made_targets import made

pytestmark = pytest.mark.extra(*NEEDS)
ARCHITECTURES = ("llama", "gpt2", "gemma2")


def reading(text: str, teacher: Any = None, **settings: Any) -> Any:
    """A student whose objective reads a teacher's states."""
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.student import Student

    model = settings.pop("model", None) or tiny(seed=0)
    return Student(model, Recipe(**settings), made(text), teacher or tiny(seed=1))


def states_of(model: Any, some: Any) -> list[Array]:
    """Of each layer the states (N, D) at the supervised positions, one unpadded sequence at a time."""
    import torch

    out: list[list[Array]] = []
    for record, tokens in some:
        ids = [*record.prompt_ids.tolist(), *record.completion_ids.tolist()]
        with torch.no_grad():
            states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        at = len(record.prompt_ids) + record.places[:tokens] - 1
        out.append([layer[0, at].double().numpy() for layer in states])
    return [np.concatenate([reply[n] for reply in out]) for n in range(len(out[0]))]


def by_hand(kind: str, s: Array, t: Array, sizes: list[int]) -> float:
    """Sum of the losses over all positions."""
    if kind == "cosine":
        cos = (s * t).sum(-1) / np.linalg.norm(s, axis=-1) / np.linalg.norm(t, axis=-1)
        return float((1 - cos).sum())
    if kind == "mse":
        return float(((s - t) ** 2).mean(-1).sum())
    total = 0.0
    for both in zip(*(np.split(x, np.cumsum(sizes)[:-1]) for x in (s, t)), strict=True):
        a, b = (x - x.mean(0) for x in both)
        if len(a) > 2:
            cross, own, other = (np.linalg.norm(x.T @ y) for x, y in ((b, a), (a, a), (b, b)))
            total += len(a) * (1 - float(cross**2 / (own * other)))
    return total


@pytest.mark.parametrize("kind", ["cosine", "mse", "cka"])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_loss_is_its_equation(kind: str, family: str) -> None:
    from readsim_hf.models.tiny import tiny_model

    model, teacher = (tiny_model(family, 40, 2, 16, seed) for seed in (0, 1))
    some = examples()
    mine, theirs = states_of(model, some), states_of(teacher, some)
    sizes = [e.tokens for e in some]
    expected = np.mean([by_hand(kind, mine[a], theirs[b], sizes) for a, b in ((1, 2), (2, 0))])
    one = reading(f"hidden(kind={kind}, layers=1:2 2:0)", teacher, model=model)
    assert one.train_window(some, 0.5).loss == pytest.approx(expected / sum(sizes), rel=1e-4)


@pytest.mark.parametrize(
    ("family", "text"),
    [(f, f"hidden(kind={k})") for f in ARCHITECTURES for k in ("cosine", "mse", "cka")],
)
def test_gradients_by_finite_differences(family: str, text: str) -> None:
    """Along the gradient itself, with the maps between widths among the parameters."""
    from readsim_hf.training.batch import collate
    from readsim_hf.training.logits import loss_sum
    from tests.support.architectures import tiny_of

    one = reading(f"0.5*sft + {text}", tiny(99, 1, 16, 3), model=tiny_of(family))
    batch = collate(examples())

    def value() -> Any:
        return loss_sum(one.trained, batch, one.objective, one.layers)

    for expected, slope in gradient_and_slopes(value, one.parameters):
        assert slope == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize("kind", ["cosine", "mse", "cka"])
def test_nothing_to_learn_from_oneself(kind: str) -> None:
    one = reading(f"hidden(kind={kind})", tiny(seed=0))
    window = one.train_window(examples(), 0.5)
    assert abs(window.loss) < 1e-6
    assert window.gradient < 1e-4


def test_other_widths_have_maps_that_learn_and_are_kept() -> None:
    import torch

    from readsim_hf.training.copies import copies

    one = reading("hidden", tiny(seed=1, width=32, layers=4), learning_rate=0.01, warmup=0.0)
    assert one.names[-2:] == ["layers.maps.0", "layers.maps.1"]  # 1:2 and 2:4
    first = one.train_window(examples(), 0.1).loss
    kept = copies(one.weights()), copies(one.moments())
    then = [one.train_window(examples(), 0.1 * n).loss for n in (2, 3)]
    assert then[-1] < first
    again = reading("hidden", tiny(seed=1, width=32, layers=4), learning_rate=0.01, warmup=0.0)
    assert not torch.equal(again.parameters[-1], one.parameters[-1])
    again.put_arrays(*kept)
    assert [again.train_window(examples(), 0.1 * n).loss for n in (2, 3)] == then
    assert reading("hidden(kind=cka)", tiny(seed=1, width=32)).names == student().names


@pytest.mark.parametrize("recipe", [{}, {"lora": 2}, {"gradient_checkpointing": True}])
def test_micro_batches_and_chunks_do_not_change_the_step(
    monkeypatch: pytest.MonkeyPatch, recipe: dict[str, Any]
) -> None:
    import torch

    from readsim_hf.training import logits

    ends = []
    text = "0.5*fkl + 0.3*hidden(kind=cka) + sft(tokens=entropy, share=.5)"
    for micro, entries in ((5, 2**24), (1, 2**24), (2, 80), (5, 1)):
        monkeypatch.setattr(logits, "CHUNK_ENTRIES", entries)
        one = reading(text, micro_batch=micro, learning_rate=0.01, **recipe)
        window = one.train_window(examples(soft=True), 0.5)
        ends.append((window.loss, torch.cat([p.flatten() for p in one.parameters])))
    for loss, weights in ends[1:]:
        assert loss == pytest.approx(ends[0][0], rel=1e-5)
        assert torch.allclose(weights, ends[0][1], atol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hidden(layers=1:9)", "'1:9' cannot be matched; the student has layers 0 to 2, the teacher 0"),
        ("hidden(layers=1-2)", "'1-2' is no pair; accepted: STUDENT:TEACHER"),
        ("hidden(layers=3)", "'3.0' is no pair"),
        ("hidden(kind=cosin)", "unknown kind of hidden 'cosin'; did you mean 'cosine'"),
    ],
)  # fmt: skip
def test_layers_that_cannot_be_matched(text: str, message: str) -> None:
    with pytest.raises(ReadsimError, match=message):
        reading(text)


def test_no_teacher_to_read() -> None:
    by_hand = {"method": "", "signal": "cot", "objective": "0.9*kd + 0.1*hidden"}
    with pytest.raises(ConfigError, match="teacher is None: the objective 'hidden' reads"):
        student(objective=made("hidden"))
    with pytest.raises(ConfigError, match="hidden is twice in the objective: use one"):
        small(**{**by_hand, "objective": "hidden + 0.5*hidden(kind=cka)"})
    pair = replace(char_pair(), vocabulary=None)
    sft = {**by_hand, "objective": "sft + hidden"}
    with pytest.raises(ConfigError, match="its token ids are not the student's: use a local pair"):
        small(pair=pair, **sft)
    pair = replace(char_pair(), others={"math": char_pair().teacher_sources[0]})
    with pytest.raises(ConfigError, match=r"several teachers answer: use a local pair\.teacher"):
        small(pair=pair, **sft)


def test_a_run_counts_what_the_teacher_reads_and_resumes_with_the_same_bits(tmp_path: Path) -> None:
    """Beside the same run without hidden states: the same prompts, more tokens read by the teacher."""
    import torch

    settings = {"method": "", "signal": "cot", "auxiliary_weight": 1.0}
    weights = np.array([0.5, 0.5])
    usages, backend = [], None
    for objective in ("sft", "sft + 0.1*hidden"):
        backend = small(pair=char_pair(16), objective=objective, **settings)
        backend.reset(0)
        usages.append(backend.run_interval(0, weights, 60).token_usage)
    assert backend is not None
    for asked in ("teacher_prompt", "teacher_generated"):
        assert usages[1][asked] == usages[0][asked]
    assert usages[0]["teacher_scored"] == 0
    assert usages[1]["teacher_scored"] == backend.student.read_by_teacher
    assert backend.student.read_by_teacher > 60
    saved = backend.snapshot()
    backend.run_interval(1, weights, 60)
    ends = [p.clone() for p in backend.student.parameters]
    backend.restore(saved)
    backend.run_interval(1, weights, 60)
    assert all(map(torch.equal, ends, backend.student.parameters))
    with backend.student.started(backend.components.pair.student) as start:
        assert start is backend.student.model


def test_a_run_begun_anew_is_the_same_run_its_maps_too() -> None:
    import torch

    backend = small(pair=replace(char_pair(16), teacher=tiny(99, 1, 32)), method="pkd")
    weights, runs = np.array([0.5, 0.5]), []
    for _ in range(2):
        backend.reset(0)
        first = [p.clone() for p in backend.student.parameters]
        backend.run_interval(0, weights, 60)
        runs.append((first, [p.clone() for p in backend.student.parameters]))
    assert "layers.maps.0" in backend.student.names
    assert not torch.equal(runs[0][0][-1], runs[0][1][-1])  # the maps learn
    for one, again in zip(*runs, strict=True):
        assert all(map(torch.equal, one, again))


def test_states_are_read_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indices go to the device of each layer's states, which a stand-in for another device looks at."""
    import torch

    from readsim_hf.training.batch import collate
    from readsim_hf.training.layer_pairs import LayerPairs, hidden_term

    class Elsewhere:
        device = torch.device("meta")

        def __getitem__(self, at: Any) -> Any:
            assert {index.device for index in at} == {self.device}
            return torch.ones(len(at[0]), 16)

    monkeypatch.setattr(LayerPairs, "_read", lambda self, batch: [Elsewhere()] * 3)
    batch = collate(examples())
    states = [torch.randn(*batch.input_ids.shape, 16)] * 3
    term: Any = hidden_term(made("hidden"))
    pairs: Any = LayerPairs(term, tiny(seed=0), tiny(seed=1))
    assert pairs(states, batch).shape == batch.rows.shape


def test_whatever_the_teacher_reads_for_its_states_is_charged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tokens that pass through it, in steps and in looks at the sources' gradients."""
    from readsim_hf.training.layer_pairs import LayerPairs

    read, real = [0], LayerPairs._read

    def counted(self: Any, batch: Any) -> Any:
        read[0] += int(batch.attention_mask.sum()) + len(set(batch.rows.tolist()))
        return real(self, batch)

    monkeypatch.setattr(LayerPairs, "_read", counted)
    backend = small(pair=char_pair(16), method="pkd")
    backend.reset(0)
    backend.run_interval(0, np.array([0.5, 0.5]), 60)
    assert backend.student.read_by_teacher == read[0] > 0
    before = read[0]
    _, used = backend.source_signals()
    assert used == {"teacher_scored": read[0] - before}
