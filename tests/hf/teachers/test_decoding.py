"""Generation and scoring: a reply depends on its prompt alone, distributions are the model's."""

from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.support.made_teachers import random_model

pytestmark = pytest.mark.extra("torch", "transformers")

VOCAB = 320
ENDS = [0, *range(40, 55)]  # so many that random replies do end


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest) -> Any:
    return random_model(request.param, ends=ENDS)


def prompts(seed: int = 0, count: int = 9) -> list[list[int]]:
    """Prompts of 1 to 30 tokens; some end with the end token, which is also the padding."""
    rng = np.random.default_rng(seed)
    some = [rng.integers(3, VOCAB, size=n).tolist() for n in rng.integers(1, 30, size=count)]
    some[0][-1] = some[3][0] = 0
    return some


def generated(model: Any, some: list[list[int]], **changes: Any) -> list[list[int]]:
    from readsim_hf.teachers.decoding import Decoding, generate

    attempt = changes.pop("attempt", 0)
    vocab = changes.pop("vocab", VOCAB)
    decoding = Decoding(**{"max_new_tokens": 12, "temperature": 0.7, "batch_size": 4} | changes)
    replies = generate(model, some, decoding, ends=ENDS, vocab=vocab, attempt=attempt)
    return [reply.tolist() for reply in replies]


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_reply_does_not_depend_on_its_neighbours(model: Any, temperature: float) -> None:
    some = prompts()
    together = generated(model, some, temperature=temperature)
    assert together == [generated(model, [p], temperature=temperature)[0] for p in some]
    assert together == generated(model, some[::-1], temperature=temperature, batch_size=9)[::-1]
    assert len({tuple(reply) for reply in together}) > 5  # they are not all one reply


def test_greedy_replies_are_the_models_own(model: Any) -> None:
    import torch

    for prompt, reply in zip(prompts(), generated(model, prompts(), temperature=0), strict=True):
        ids = list(prompt)
        for token in reply:
            with torch.no_grad():
                logits = model(torch.tensor([ids])).logits[0, -1, :VOCAB]
            assert token == int(logits.argmax())
            ids.append(token)


def test_a_reply_ends_with_its_first_end_token(model: Any) -> None:
    replies = [
        reply for attempt in range(4) for reply in generated(model, prompts(), attempt=attempt)
    ]
    ended = [reply for reply in replies if reply[-1] in ENDS]
    assert len(ended) > 5
    assert {reply[-1] for reply in ended} > {ended[0][-1]}  # not always the same end token
    assert all(token not in ENDS for reply in replies for token in reply[:-1])
    assert all(len(reply) == 12 for reply in replies if reply[-1] not in ENDS)


def test_attempts_and_temperatures_differ(model: Any) -> None:
    first = generated(model, prompts())
    assert generated(model, prompts()) == first
    assert generated(model, prompts(), attempt=1) != first
    assert generated(model, prompts(), temperature=0.9) != first


def test_draws_follow_the_distribution() -> None:
    import torch

    from readsim_hf.teachers.ids import content_generator
    from readsim_hf.teachers.steps import Steps

    rows, temperature = 4000, 0.7
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, -30.0, 9.0])
    generators = [content_generator(row) for row in range(rows)]
    steps = Steps(generators, np.full(rows, 9), temperature, [0], 5, rows)
    scores = steps.choose(logits.expand(rows, -1))
    seen = np.bincount(scores.argmax(-1).numpy(), minlength=6)
    wanted = torch.softmax(logits[:5].double() / temperature, 0).numpy() * rows
    assert seen[5] == 0  # beyond the shared vocabulary
    assert seen[4] == 0  # e^-43: never, though one float32 draw in 2^23 would be infinite
    chi = ((seen[:4] - wanted[:4]) ** 2 / wanted[:4]).sum()
    assert chi < 16.3  # three degrees of freedom, p = 0.001


def test_a_draw_takes_one_uniform_number_a_row_where_the_logits_are() -> None:
    """No vocabulary of random numbers on the host: every tensor is made on the device of the scores."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from readsim_hf.teachers.ids import content_generator
    from readsim_hf.teachers.steps import Steps

    columns, made = 5000, list[tuple[str, int]]()

    class Spying(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                made.append((out.device.type, out.numel()))
            return out

    generators = [content_generator(row) for row in range(3)]
    after = [content_generator(row) for row in range(3)]
    for one in after:
        one.random()
    steps = Steps(generators, np.full(3, 9), 0.7, [0], columns, 3)
    steps.open[1] = False  # draws nothing
    steps.finite = lambda logits: None  # meta tensors have no values
    with Spying():  # type: ignore[no-untyped-call]
        steps.choose(torch.zeros((3, columns), device="meta"))
    assert max(size for device, size in made if device == "cpu") <= 3
    numbers = [one.random() for one in generators]
    assert numbers == [after[0].random(), content_generator(1).random(), after[2].random()]


@pytest.mark.slow
def test_new_prompts_take_the_places_of_those_that_have_ended(model: Any) -> None:
    """About as many decode steps as there are tokens for each place, not the longest of each batch."""
    some, size, forwards = prompts(1, 64), 16, []
    alone = [generated(model, [p], max_new_tokens=60)[0] for p in some]
    hook = model.register_forward_pre_hook(
        lambda _, args, kwargs: forwards.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    try:
        together = generated(model, some, max_new_tokens=60, batch_size=size)
    finally:
        hook.remove()
    assert together == alone
    assert max(rows for rows, _ in forwards) == size
    steps = sum(width == 1 for _, width in forwards)
    order = sorted(range(64), key=lambda n: len(some[n]))
    lengths = [len(alone[n]) for n in order]
    longest = sum(max(lengths[n : n + size]) for n in range(0, 64, size))
    least = sum(lengths) / size
    assert steps < 0.6 * longest, (steps, longest, least)
    assert steps < 1.4 * least + max(lengths), (steps, longest, least)


def test_ids_outside_the_shared_vocabulary_are_not_generated(model: Any) -> None:
    ids = [token for reply in generated(model, prompts(), vocab=60) for token in reply]
    assert max(ids) < 60


def test_the_model_is_left_as_it_was() -> None:
    import torch

    model = random_model(ends=ENDS)
    plain = generated(model, prompts())
    model.generation_config.update(repetition_penalty=1.8, min_length=50, do_sample=True, top_k=2)
    model.train()
    model.lm_head.eval()
    modes = [m.training for m in model.modules()]
    own, state = model.generation_config, torch.get_rng_state()
    assert generated(model, prompts()) == plain  # its own settings have no effect
    with torch.no_grad():
        model.lm_head.weight[7] = torch.nan
    with pytest.raises(ConfigError, match="largest logit is nan"):
        generated(model, prompts())
    with pytest.raises(ConfigError, match="largest logit is nan"):
        distributions(model, [([3, 4], [5, 6, 0], (0, 3))])
    assert model.generation_config is own
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())


def distributions(model: Any, passages: Any, **soft: Any) -> Any:
    from readsim_hf.teachers.scoring import Passage, SoftSettings, score

    settings = SoftSettings(**({"kind": "full"} | soft))
    return score(model, [Passage(*p) for p in passages], settings, vocab=VOCAB, batch_size=3)


def passages() -> list[tuple[list[int], list[int], tuple[int, int]]]:
    rng = np.random.default_rng(1)
    spans = [(0, 5), (2, 5), (4, 5), (0, 1), (3, 3), (1, 4), (0, 5)]
    return [
        (p, rng.integers(0, VOCAB, 5).tolist(), s) for p, s in zip(prompts(2), spans, strict=False)
    ]


def test_scores_are_those_of_one_plain_forward(model: Any) -> None:
    import torch

    for (prompt, reply, (first, end)), soft in zip(
        passages(), distributions(model, passages()), strict=True
    ):
        with torch.no_grad():
            logits = model(torch.tensor([prompt + reply])).logits[0, :, :VOCAB]
        at = slice(len(prompt) + first - 1, len(prompt) + end - 1)
        assert soft.logp.shape == (end - first, VOCAB)
        assert soft.ids.shape == (end - first, 0)
        assert np.allclose(soft.logp, logits[at].log_softmax(-1).numpy(), atol=2e-5)


def test_parts_of_distributions_agree_with_the_whole(model: Any) -> None:
    whole = distributions(model, passages())
    for kind in ("topk", "sampled"):
        parts = distributions(model, passages(), kind=kind, k=6)
        alone = [distributions(model, [p], kind=kind, k=6)[0] for p in passages()]
        for full, part, single in zip(whole, parts, alone, strict=True):
            assert part.ids.shape == part.logp.shape == (len(full.logp), 6)
            assert np.array_equal(part.ids, single.ids)  # draws come from the content
            found = np.take_along_axis(full.logp, part.ids.astype(int), axis=1)
            assert np.allclose(part.logp, found, atol=2e-5)
            if kind == "topk":
                assert np.array_equal(part.ids, np.argsort(-full.logp, axis=1)[:, :6])


def test_logits_are_computed_where_they_are_needed(model: Any) -> None:
    shapes = []
    hook = model.register_forward_hook(lambda *call: shapes.append(tuple(call[2].logits.shape)))
    distributions(model, [([5] * 60, [7] * 5, (2, 5)), ([5] * 61, [7] * 5, (2, 5))])
    hook.remove()
    assert shapes == [(2, 4, 328)]


@pytest.mark.parametrize("span", [(0, 6), (-1, 2), (3, 2)])
def test_a_span_lies_in_its_completion(model: Any, span: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"span is .* must lie inside"):
        distributions(model, [([3, 4], [5] * 5, span)])
    with pytest.raises(ConfigError, match="must not be empty"):
        distributions(model, [([], [5] * 5, (0, 2))])
