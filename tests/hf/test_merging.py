"""Students merged by shares: what mixtures would do from one training a source."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from readsim.allocators.op_mix import OpMix
from readsim.backend import OffersMerging
from readsim.envs.env import DistillEnv
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.loop import rollout
from tests.support.helpers import WORLD
from tests.support.hf import NEEDS
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.mark.parametrize("lora", [0, 2])
def test_a_merged_student_is_the_mean_of_the_trained_ones_and_leaves_no_trace(lora: int) -> None:
    from readsim.backend import undone
    from readsim_hf.merging import merged_weights
    from readsim_hf.training.student import checksum

    backend = small(training={"lora": lora})
    offers: bool = isinstance(backend, OffersMerging)
    assert offers
    backend.reset(3)
    before = checksum(backend.student.weights()), checksum(backend.student.moments())
    shares = np.array([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
    profiles, usage = backend.merged_profiles(shares, TOKENS)
    assert (checksum(backend.student.weights()), checksum(backend.student.moments())) == before
    assert usage["search"] == 2 * TOKENS
    assert "student" not in usage
    ends: list[dict[str, Any]] = []
    start = {n: t.clone() for n, t in backend.student.weights().items()}
    for n, alone in enumerate(np.eye(2)):
        with undone(backend):
            backend.run_interval(0, alone, TOKENS)
            np.testing.assert_allclose(profiles[n], backend.measure("dev").profile, atol=1e-3)
            ends.append({n: t.clone() for n, t in backend.student.weights().items()})
    merged = merged_weights(start, ends, shares[2])
    for name, tensor in merged.items():
        by_hand = 0.25 * ends[0][name] + 0.75 * ends[1][name]
        assert float((tensor - by_hand).abs().max()) < 1e-5
    assert any((ends[0][name] != ends[1][name]).any() for name in start)


def test_merged_adapters_are_the_mean_of_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their logits are those of the mean of the weights into which each student's adapters were put."""
    import torch

    from readsim.backend import undone
    from readsim_hf.backend import HFBackend
    from readsim_hf.training.served import _whole

    backend = small(training={"lora": 2, "learning_rate": 0.05})
    backend.reset(3)
    backend.run_interval(0, np.array([0.5, 0.5]), TOKENS)  # the factors are far from their start
    ids, seen = torch.arange(2, 20)[None], list[Any]()
    each = []
    for alone in np.eye(2):
        with undone(backend):
            backend.run_interval(0, alone, TOKENS)
            each.append(_whole(backend.student.model).state_dict())
    real = HFBackend.measure

    def measured(self: Any, split: Any, model: Any = None) -> Any:
        if split == "dev":
            with torch.no_grad():
                seen.append(self.student.model(ids).logits)
        return real(self, split, model)

    monkeypatch.setattr(HFBackend, "measure", measured)
    backend.merged_profiles(np.array([[0.25, 0.75]]), TOKENS)
    whole = _whole(backend.student.model)
    whole.load_state_dict({n: 0.25 * each[0][n] + 0.75 * each[1][n] for n in each[0]})
    with torch.no_grad():
        torch.testing.assert_close(seen, [whole(ids).logits], atol=1e-4, rtol=1e-4)


def test_op_mix_plays_the_best_merged_mixture_and_plans_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from readsim_hf.backend import HFBackend

    asked: list[tuple[Any, int]] = []

    def told(self: Any, mixtures: Any, tokens: int) -> Any:
        """First the second source is better, later the first."""
        asked.append((mixtures, tokens))
        return mixtures[:, ::-1] if len(asked) == 1 else mixtures, {"search": 7}

    monkeypatch.setattr(HFBackend, "merged_profiles", told)
    env = DistillEnv(backend=small(steps=2), task={"general": 0.9, "math": 0.1}, steps=2)
    rows, _ = rollout([env], OpMix(plans=2, share=0.25, divisions=2), [3])
    picks = [row["allocation"].tolist() for row in rows if row["kind"] == "step"]
    names = list(env.backend.sources)
    first = 1.0 - np.eye(2)[names.index("general")]
    assert picks == [first.tolist(), (1.0 - first).tolist()]
    assert [tokens for _, tokens in asked] == [env.episode.budget // 4] * 2
    assert sorted(map(tuple, asked[0][0].tolist())) == [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)]
    assert rows[-1]["totals"]["search"] == 14


def test_op_mix_plays_on_a_real_pair() -> None:
    env = DistillEnv(backend=small(), task={"general": 0.5, "math": 0.5}, steps=2)
    rows, _ = rollout([env], "op-mix+share=0.5+divisions=1", [3])
    assert rows[-1]["totals"]["search"] == 2 * (env.episode.budget // 2)


def test_a_simulated_student_cannot_be_merged() -> None:
    with pytest.raises(CapabilityMissingError, match="needs 'merging'"):
        rollout([DistillEnv(WORLD)], "op-mix", [0])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three students of one shape and one of another, in folders."""
    from readsim_hf.models.char_tokenizer import char_tokenizer
    from tests.support.hf import tiny

    root = tmp_path_factory.mktemp("merged")
    tokenizer = char_tokenizer()
    for name, seed, width in (("base", 0, 16), ("a", 1, 16), ("b", 2, 16), ("wide", 3, 32)):
        tiny(len(tokenizer), seed, width).save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    from transformers import AutoModelForCausalLM

    untied, make = tiny(len(tokenizer)).config, cast(Any, AutoModelForCausalLM).from_config
    untied.tie_word_embeddings = False
    make(untied).save_pretrained(root / "untied")
    tokenizer.save_pretrained(root / "untied")
    for name, seed in (("ends", 4), ("ends too", 5)):
        model = tiny(len(tokenizer), seed)
        model.generation_config.eos_token_id = [1, 7]
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    (root / "lora").mkdir()
    (root / "lora" / "adapter_config.json").write_text("{}")
    return {path.name: str(path) for path in root.iterdir()}


@pytest.mark.parametrize(
    ("weights", "base"), [(None, None), ("0.25,0.75", None), ("0.4", "base"), ("1,0.5", "base")]
)
def test_merged_folders_are_the_weighted_sum(
    weights: str | None, base: str | None, folders: dict[str, str], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    from readsim_hf.cli.merge import merge
    from readsim_hf.models.loading import load_model, load_tokenizer

    given = [folders["a"], folders["b"]], tmp_path / "out", weights
    start_from = folders[base] if base else None
    merge(*given, start_from)
    w = [float(part) for part in (weights or "0.5").split(",")]
    w = w * 2 if len(w) == 1 else w
    zero, a, b = (load_file(Path(folders[n]) / "model.safetensors") for n in ("base", "a", "b"))
    found = load_model(str(tmp_path / "out")).state_dict()
    for name, old in zero.items():
        start = old if base else 0
        wanted = start + w[0] * (a[name] - start) + w[1] * (b[name] - start)
        assert float((found[name] - wanted).abs().max()) < 1e-5
    assert (
        load_tokenizer(str(tmp_path / "out")).get_vocab()
        == load_tokenizer(folders["a"]).get_vocab()
    )
    with pytest.raises(ConfigError, match="a model is there already"):
        merge(*given, start_from)


def test_what_cannot_be_merged_is_refused_in_a_sentence(
    folders: dict[str, str], tmp_path: Path
) -> None:
    from readsim_hf.merging import merge_folders

    a, b = folders["a"], folders["b"]
    for students, weights, words in (
        ([a], [], "students to merge: 1; accepted: at least 2"),
        ([a, b], [1.0, 1.0], "sum to 2: name the base"),
        ([a, b], [0.5, 0.2, 0.3], "one finite number each, or one for all"),
        ([a, b], [float("nan"), 1.0], "one finite number each"),
        ([a, folders["wide"]], [], "has another shape than the first"),
        ([a, folders["lora"]], [], "LoRA adapters alone"),
        ([a, folders["untied"]], [], "untied' has tie_word_embeddings = false, unlike .*: merge"),
        ([folders["untied"], a], [], "a' has tie_word_embeddings = true, unlike .*: merge"),
        (
            [a, folders["ends"]],
            [],
            r"ids \[1, 7\] and .* with \[1\]: give both the same eos_token_id",
        ),
    ):
        with pytest.raises(ConfigError, match=words):
            merge_folders(students, tmp_path / "out", weights)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("base", [None, "base"])
def test_a_merged_student_ends_its_replies_where_the_students_do(
    base: str | None, folders: dict[str, str], tmp_path: Path
) -> None:
    from readsim_hf.merging import merge_folders
    from readsim_hf.models.loading import load_model

    students = [folders["ends"], folders["ends too"]]
    merge_folders(students, tmp_path / "out", (), None if base is None else folders[base])
    assert load_model(str(tmp_path / "out")).generation_config.eos_token_id == [1, 7]
