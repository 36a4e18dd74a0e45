"""Models as they come: loaded, asked, trained, measured, saved and loaded again, whatever their kind."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.support.architectures import ALL, CONTEXT, RECURRENT, STATELESS, saved_of, tiny_of
from tests.support.hf import NEEDS, record
from tests.support.hf_runs import small

pytestmark = [
    pytest.mark.extra(*NEEDS),
    # transformers' own, of models that are rarely used
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]


def some_records() -> list[Any]:
    """Six of different lengths, two of one length."""
    rng = np.random.default_rng(0)
    sizes = [(3, 4), (17, 6), (25, 5), (9, 8), (3, 4), (30, 2)]
    return [
        record(rng.integers(3, 99, p).tolist(), rng.integers(3, 99, r).tolist()) for p, r in sizes
    ]


def logits_of(model: Any, ids: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.tensor(np.asarray(ids)[None].astype(np.int64))).logits[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_a_batch_says_what_each_row_says_alone(kind: str) -> None:
    """Training loss, replies and distributions do not depend on neighbours, which are of other lengths."""

    from readsim_hf.objectives.baselines import SFT
    from readsim_hf.teachers.decoding import Decoding, generate
    from readsim_hf.teachers.ids import content_generator
    from readsim_hf.teachers.scoring import Passage, SoftSettings, score
    from readsim_hf.training.batch import Example
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.student import Student

    model, made = tiny_of(kind), some_records()
    alone = 0.0  # without padding, masks or positions
    for one in made:
        logp = logits_of(model, [*one.prompt_ids, *one.completion_ids]).log_softmax(-1)
        at = len(one.prompt_ids) - 1 + np.arange(len(one.completion_ids))
        alone -= float(logp[at, one.completion_ids.astype(np.int64)].sum())
    passages = [Passage(r.prompt_ids, r.completion_ids, r.span) for r in made]
    softs = score(model, passages, SoftSettings("full"), vocab=99)
    for one, soft in zip(made, softs, strict=True):
        logp = logits_of(model, [*one.prompt_ids, *one.completion_ids]).log_softmax(-1)
        expected = logp[len(one.prompt_ids) - 1 : -1].numpy()
        np.testing.assert_allclose(soft.logp, expected, atol=1e-5)

    # Many end tokens: rows end at different times, and others take their places.
    rng, ends, decoding = np.random.default_rng(1), list(range(3, 12)), Decoding(10, 0.7, 5)
    prompts = [rng.integers(30, 99, size).astype(np.int32) for size in rng.integers(2, 30, 12)]
    replies = generate(model, prompts, decoding, ends=ends, vocab=99)
    for prompt, reply in zip(prompts, replies, strict=True):
        drawn, ids = content_generator(prompt, 0.7, 0), prompt.tolist()
        for said in reply.tolist():  # each token by reading all before it again
            reached = (logits_of(model, ids)[-1].double() / 0.7).softmax(-1).cumsum(-1)
            assert said == int((reached <= drawn.random()).sum())
            ids.append(said)
        assert ids[-1] in ends or len(reply) == 10

    student = Student(model, Recipe(micro_batch=4, learning_rate=0.01), SFT())
    window = student.train_window([Example(r, r.supervised) for r in made], 0.5)
    assert window.loss * window.tokens == pytest.approx(alone, abs=1e-3)
    assert window.gradient > 0


@pytest.mark.parametrize("kind", ["gpt2", "gemma3_text", "mamba", "rwkv", "bamba", "mixtral"])
def test_a_run_of_few_steps(kind: str, tmp_path: Path) -> None:
    whole_run(kind, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", sorted(set(ALL) - {"gpt2", "gemma3_text", "mamba", "rwkv", "bamba", "mixtral"})
)
def test_a_run_of_few_steps_of_the_others(kind: str, tmp_path: Path) -> None:
    whole_run(kind, tmp_path)


def whole_run(kind: str, tmp_path: Path) -> None:
    """A model that teaches itself: load, ask, train, probe, save, load."""
    import torch

    from readsim_hf.models.loading import load_model, no_progress_bars
    from readsim_hf.models.pairs import load_pair
    from readsim_hf.objectives.baselines import ForwardKL
    from readsim_hf.probes.lm import ProbeLM
    from readsim_hf.results import to_save
    from readsim_hf.teachers.teacher import Question
    from readsim_hf.training.agreement import agreement
    from readsim_hf.training.batch import Example, collate
    from readsim_hf.training.logits import loss_sum

    source = saved_of(kind, tmp_path / "source")
    pair = load_pair(teacher=source, student=source, teacher_precision="fp32", context=CONTEXT)
    assert pair.context == CONTEXT
    backend = small(pair=pair, soft={"kind": "full"})
    teacher, parts = backend.components.teacher, backend.components
    prompts = parts.suite.splits.prompts("dev")
    made = [teacher._replies([Question(teacher.encode(p), False)], 0)[0] for p in prompts]
    for one in made:
        one_alone = collate([Example(one, one.supervised)])
        with torch.no_grad():
            assert abs(float(loss_sum(pair.student, one_alone, ForwardKL()))) < 1e-3
    assert agreement(pair.student, made, 99).kl == pytest.approx(0.0, abs=1e-5)
    lm = ProbeLM(pair.student, pair.tokenizer, 2, context=pair.context)
    assert lm.max_length == CONTEXT
    for prompt in prompts:
        text = teacher.style.ask(prompt, teacher.signal.form)
        assert lm.tok_encode(text) == teacher.encode(prompt).tolist()

    backend.reset(0)
    examples = [Example(one, one.supervised) for one in made]
    before = {n: t.clone() for n, t in backend.student.weights().items()}
    backend.student.train_window(examples, 0.5)
    assert any(not torch.equal(t, before[n]) for n, t in backend.student.weights().items())
    assert backend.measure("probe").tokens > 0
    with no_progress_bars():
        to_save(backend.student, pair).save_pretrained(tmp_path / "saved")
    again = load_model(str(tmp_path / "saved"))
    ids = made[0].prompt_ids
    torch.testing.assert_close(logits_of(again, ids), logits_of(backend.student.model, ids))


@pytest.mark.parametrize("kind", STATELESS)
def test_a_model_that_states_no_length_needs_one(kind: str) -> None:
    from readsim_hf.models.pairs import common_context

    config = tiny_of(kind).config
    with pytest.raises(ConfigError, match=rf"pair\.context = None.*{kind}.*context = 1024"):
        common_context([config, config])
    assert common_context([config, config], 77) == 77
    llama = tiny_of("llama").config
    assert common_context([config, llama]) == CONTEXT
    with pytest.raises(ConfigError, match=f"at most {CONTEXT}"):
        common_context([config, llama], CONTEXT + 1)


def test_only_a_model_without_a_mask_reads_padding() -> None:
    from readsim_hf.teachers.inference import batches, reads_padding

    assert [kind for kind in ALL if reads_padding(tiny_of(kind))] == ["rwkv", "recurrent_gemma"]
    assert batches([3, 1, 3, 2, 1], 2) == [[1, 4], [3, 0], [2]]
    assert batches([3, 1, 3, 2, 1], 2, equal=True) == [[1, 4], [3], [0, 2]]


def test_heads_that_do_more_than_a_product_are_seen() -> None:
    """Whatever the name of the setting that caps or scales the logits."""
    from readsim_hf.training.logits import is_plain_head

    others = {k for k in ALL if not is_plain_head(tiny_of(k))}
    assert others == {"gemma2", "cohere", "granite", "recurrent_gemma"}


@pytest.mark.parametrize("kind", RECURRENT)
def test_costs_of_recurrent_models(kind: str) -> None:
    """Keys and values are kept by layers with attention alone."""
    from readsim_hf.costs.memory import cache_bytes
    from readsim_hf.costs.shape import shape_of

    config = tiny_of(kind).config
    if kind == "jamba":
        with pytest.raises(ConfigError, match="dense models only"):
            shape_of(config)
        return
    shape = shape_of(config)
    attending = {"bamba": 1, "zamba2": 1, "falcon_h1": 2, "recurrent_gemma": 1}.get(kind, 0)
    assert shape.attending == attending
    assert (cache_bytes(shape, 2, 10, "fp32") > 0) == bool(attending)


def test_a_student_is_saved_as_its_source_is_stored(tmp_path: Path) -> None:
    import torch

    from readsim_hf.models.folder_checks import stored_dtype
    from readsim_hf.models.loading import load_model
    from readsim_hf.models.pairs import load_pair
    from readsim_hf.results import to_save

    source = saved_of("qwen2", tmp_path / "source")
    load_model(source, precision="bf16").save_pretrained(source)
    pair = load_pair(teacher=source, student=source, context=CONTEXT)
    student = small(pair=pair).components.fresh_student()
    trained: Any = student.model
    assert trained.dtype == torch.float32  # what trains, and what checkpoints hold
    with torch.no_grad():
        trained.model.embed_tokens.weight += 0.123456789
    exact = trained.model.embed_tokens.weight.clone()
    to_save(student, pair).save_pretrained(tmp_path / "saved")
    assert stored_dtype(tmp_path / "saved") == torch.bfloat16
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["dtype"] == "bfloat16"
    assert torch.equal(trained.model.embed_tokens.weight, exact)  # the run goes on with its own
    again: Any = load_model(str(tmp_path / "saved"))
    assert torch.equal(again.model.embed_tokens.weight, exact.bfloat16().float())
    assert again.lm_head.weight is again.model.embed_tokens.weight
