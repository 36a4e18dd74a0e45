"""A student is held as few times as can be: its start once, its copies where there is room for them."""

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import TrainingError
from tests.support.hf import NEEDS, char_pair, tiny
from tests.support.hf_runs import small

pytestmark = pytest.mark.extra(*NEEDS, "peft")
GB = 10**9


def some_tensors() -> dict[str, Any]:
    import torch

    draws = torch.Generator().manual_seed(0)
    return {
        "a": torch.randn((3, 5), generator=draws),
        "b": torch.randn((7,), generator=draws).bfloat16(),
        "none": torch.zeros((0, 2)),
        "step": torch.tensor(3.0),
    }


@pytest.mark.parametrize("room", [GB, 0])
def test_copies_are_equal_in_memory_and_on_disk(
    room: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tempfile

    import torch

    from readsim_hf.training import copies

    monkeypatch.setattr(copies, "host_memory", lambda: room)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tensors = some_tensors()
    assert copies.folder_for(copies.bytes_of(tensors)) == (None if room else tmp_path)
    made = copies.copies(tensors)
    kept = {n: t.clone() for n, t in tensors.items()}
    for tensor in tensors.values():
        tensor.zero_()
    for name, array in made.items():
        assert type(array) is np.ndarray
        again = copies.as_tensor(array, tensors[name].dtype)
        assert again.dtype == tensors[name].dtype
        assert torch.equal(again, kept[name]), name
    assert not list(tmp_path.iterdir())  # no file is left, whatever happens to the process


def test_what_fits_nowhere_is_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from readsim_hf.training import copies

    monkeypatch.setattr(copies, "host_memory", lambda: 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(GB, GB, 100))
    with pytest.raises(TrainingError, match=r"takes 96 GB: host memory has 1e-07 GB .*TMPDIR"):
        copies.folder_for(96 * GB)
    with pytest.raises(TrainingError, match="a copy of the student"):
        small(pair=char_pair()).check_copies()
    small(pair=char_pair(), training={"lora": 2}).check_copies()  # adapters are small


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from readsim_hf.training import copies

    monkeypatch.setattr(copies, "_GROUP", tmp_path)
    whole = copies.host_memory()
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert copies.host_memory() > 0.5 * whole
    (tmp_path / "memory.max").write_text("1005\n")
    assert copies.host_memory() == 1000


class Spy(Mapping[str, Any]):
    """Tensors that note how many of them are held at a time."""

    def __init__(self, held: dict[str, Any]) -> None:
        import weakref

        self.held, self.alive, self.most = held, weakref.WeakSet[Any](), 0

    def __getitem__(self, name: str) -> Any:
        made = self.held[name].clone()
        self.alive.add(made)
        self.most = max(self.most, len(self.alive))
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)


def test_a_checkpoint_is_written_a_tensor_at_a_time_in_the_libraries_format(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from readsim_hf.training.saved import StoredTensors, save_tensors

    spied = Spy(some_tensors())
    save_tensors(tmp_path / "a", spied)
    assert spied.most <= 2  # the next one is made before the last one is let go
    theirs, ours = load_file(tmp_path / "a"), StoredTensors(tmp_path / "a")
    assert set(theirs) == set(ours) == set(spied)
    for name, tensor in spied.held.items():
        for found in (theirs[name], ours[name]):
            assert found.dtype == tensor.dtype
            assert torch.equal(found, tensor)


@pytest.mark.parametrize("precision", [{}, {"lora": 2}])
def test_bfloat16_weights_are_snapshot_and_saved(precision: dict[str, int], tmp_path: Path) -> None:
    """NumPy has no bfloat16; its bits are kept."""
    import torch

    pair = char_pair()
    student: Any = pair.student
    student.to(torch.bfloat16)
    backend = small(pair=pair, keep_best=True, training=precision)
    backend.reset(0)
    student = backend.student
    backend.run_interval(0, np.array([0.5, 0.5]), 20)
    backend.consider(0.5)
    saved, before = backend.snapshot(), {n: t.clone() for n, t in student.weights().items()}
    moments = {n: t.clone() for n, t in student.moments().items()}
    backend.save(tmp_path)
    backend.run_interval(1, np.array([0.5, 0.5]), 20)
    assert any(not torch.equal(t, before[n]) for n, t in student.weights().items())
    ways: list[Callable[[], None]] = [
        lambda: backend.restore(saved),
        lambda: backend.load(tmp_path),
    ]
    for back in ways:
        back()
        for name, tensor in student.weights().items():
            assert tensor.dtype == before[name].dtype
            assert torch.equal(tensor, before[name])
        for name, tensor in student.moments().items():
            assert torch.equal(tensor, moments[name])
        backend.run_interval(1, np.array([0.5, 0.5]), 20)


def test_a_fresh_student_is_made_where_it_trains() -> None:
    """Nothing as large as a weight is made on the host on the way there."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from readsim_hf.models.loading import copied_to

    made: list[tuple[str, int]] = []

    class Spying(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                own = not any(isinstance(a, torch.Tensor) and a is out for a in args)
                views = func.is_view or "detach" in str(func)
                made.extend([(out.device.type, out.numel())] * (own and not views))
            return out

    model = tiny(width=32)
    with Spying():  # type: ignore[no-untyped-call]
        there = copied_to(model, torch.device("meta"))
    assert {device for device, _ in made} == {"meta"}
    assert {p.device.type for p in there.parameters()} == {"meta"}
    assert {n: p.shape for n, p in there.named_parameters()} == {
        n: p.shape for n, p in model.named_parameters()
    }


class Largest:
    """A dispatch mode that notes the most rows of logits (V columns) that a product or softmax made."""

    def __new__(cls, columns: int) -> Any:
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode

        class Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
            rows = 0

            def __torch_dispatch__(
                self, func: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                out = func(*args, **(kwargs or {}))
                made = "mm" in str(func) or "softmax" in str(func)
                if made and isinstance(out, torch.Tensor) and out.shape[-1] == columns:
                    Mode.rows = max(Mode.rows, out.numel() // columns)
                return out

        return Mode()  # type: ignore[no-untyped-call]


def test_measuring_never_makes_all_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agreement and log-likelihoods: a few positions at a time, whatever the length of the batch."""
    import torch

    from readsim_hf.probes.lm import ProbeLM
    from readsim_hf.teachers.inference import reads_padding
    from readsim_hf.training import logits
    from readsim_hf.training.agreement import agreement
    from tests.support.hf import full_soft, record

    pair = char_pair()
    width = len(pair.tokenizer)
    monkeypatch.setattr(logits, "CHUNK_ENTRIES", 4 * width)
    made = [record([3] * 20, [5] * n, None, full_soft(n, width, n)) for n in (9, 17, 30)]
    logits.is_plain_head(pair.student)  # asked once of a model, on a few tokens
    reads_padding(pair.student)
    with Largest(width) as spied:
        found = agreement(pair.student, made, width)
    assert spied.rows == 4
    with torch.no_grad():
        ids = torch.tensor([[3] * 20 + [5] * 30])
        logq = pair.student(ids).logits[0, 19:-1].double().log_softmax(-1)
    soft = made[2].soft
    assert soft is not None
    logp = torch.from_numpy(soft.logp).double()
    kl = float((logp.exp() * (logp - logq)).sum(-1).mean())
    assert agreement(pair.student, made[2:], width).kl == pytest.approx(kl, rel=1e-5)
    assert found.positions == 56

    lm = ProbeLM(pair.student, pair.tokenizer, 8)
    asked = [(("", ""), [3] * 40, [5] * n) for n in (1, 2, 7)] + [(("", ""), [3] * 40, [6])]
    with Largest(width) as spied:
        said = lm._loglikelihood_tokens(asked)
    assert spied.rows == 4
    for (_, context, scored), (total, greedy) in zip(asked, said, strict=True):
        with torch.no_grad():
            logp = pair.student(torch.tensor([context + scored])).logits[0].double().log_softmax(-1)
        each = logp[len(context) - 1 : -1]
        expected = sum(float(row[token]) for row, token in zip(each, scored, strict=True))
        assert total == pytest.approx(expected, rel=1e-5)
        assert greedy == (each.argmax(-1).tolist() == scored)


def students(width: int) -> int:
    """Copies of a student's embedding that are alive, by its width, which nothing else has."""
    import torch

    gc.collect()
    kinds = [o for o in gc.get_objects() if type(o) is torch.nn.Parameter]
    return len(
        {p.data_ptr() for p in kinds if p.ndim == 2 and p.shape[-1] == width and p.shape[0] > width}
    )


@pytest.mark.slow
@pytest.mark.parametrize("training", [{}, {"lora": 2}])
def test_the_final_test_holds_the_start_on_the_host_alone(training: dict[str, int]) -> None:
    """One start, one student; the start is measured first, in the student's place, as it was."""
    width, pair = 48, char_pair(width=16)
    pair = replace(pair, student=tiny(len(pair.tokenizer), 2, width))
    backend = small(pair=pair, training=training)
    first = backend.reset(0)
    start = backend.measure("dev").scores
    backend.run_interval(0, np.array([0.5, 0.5]), 40)
    trained = backend.measure("dev").scores
    held = students(width)
    measure, seen = backend.components.suite.measure, []

    def spied(model: Any, *rest: Any) -> Any:
        seen.append((students(width), model))
        return measure(model, *rest)

    backend.components.suite.measure = spied
    backend.final_eval()
    assert [count for count, _ in seen] == [held, held]
    assert seen[0][1] is seen[1][1]
    with backend.student.started(pair.student) as model:
        again = backend.measure("dev", model).scores
    assert all((again[n] == start[n]).all() for n in start)
    after = backend.measure("dev").scores
    assert all((after[n] == trained[n]).all() for n in trained)
    assert first.profile.shape


@pytest.mark.parametrize("training", [{}, {"lora": 2}])
def test_a_run_that_starts_again_takes_the_same_student(training: dict[str, int]) -> None:
    """No second one is made or read from a file; it is as it was before its first step, to the last bit."""
    import torch

    backend, other = small(training=training), small(training=training)
    start = {n: t.clone() for n, t in backend.components.pair.student.state_dict().items()}
    backend.reset(3)
    student, first = backend.student, {n: t.clone() for n, t in backend.student.weights().items()}
    backend.run_interval(0, np.array([0.5, 0.5]), 40)
    assert any(not torch.equal(t, first[n]) for n, t in student.weights().items())
    scores, expected = backend.reset(4), other.reset(4)
    assert backend.student is student
    assert not student.moments()
    assert all(torch.equal(t, first[n]) for n, t in student.weights().items())
    assert (scores.profile == expected.profile).all()
    for one in (backend, other):
        one.run_interval(0, np.array([0.5, 0.5]), 40)
    both = backend.student.weights(), other.student.weights()
    assert all(torch.equal(both[0][n], both[1][n]) for n in both[1])
    kept = backend.components.pair.student.state_dict()
    assert all(torch.equal(kept[n], start[n]) for n in start)


@pytest.mark.parametrize("count", [0, 1, 8, 9, 24, 25, 100])
@pytest.mark.parametrize("up", [True, False])
def test_pieces_that_threads_share_are_the_whole(
    count: int, up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways, the host in the GPU's place; each piece waits for the GPU before its box is used again."""
    import contextlib

    import torch

    from readsim_hf.training import copies

    class There(torch.Tensor):
        """On the host, and says that it is on a GPU."""

        is_cuda = True

    waits: list[int] = []

    class Stream:
        def __init__(self, _: torch.device) -> None: ...

        def synchronize(self) -> None:
            waits.append(1)

    empty = torch.empty

    def unlocked(*shape: Any, pin_memory: bool, **rest: Any) -> Any:
        return empty(*shape, **rest)

    monkeypatch.setattr(torch, "empty", unlocked)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(copies, "PIECE", 32)
    monkeypatch.setattr(copies, "HANDS", 3)
    source = torch.arange(count, dtype=torch.float32)
    target = torch.full((count,), -1.0)
    if up:
        copies.fill(target.as_subclass(There), source)
    else:
        copies.fill(target, source.as_subclass(There))
    assert torch.equal(target, torch.arange(count, dtype=torch.float32))
    pieces = -(-count // 8)
    assert len(waits) == (pieces + 1 if pieces > 1 else 0)
