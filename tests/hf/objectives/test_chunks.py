"""The loss a chunk at a time is the loss, and it needs little memory."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.support.made_targets import pair, targets
from tests.support.paths import ROOT

pytestmark = pytest.mark.extra("torch")


def setting(kind: Any, n: int = 11, v: int = 40, d: int = 8) -> tuple[Any, Any, Any]:
    """Hidden states, a head with a bias, targets."""
    import torch

    _, _, teacher, _ = pair(0, n, v)
    rng = np.random.default_rng(0)
    hidden = torch.tensor(rng.normal(size=(n, d)), dtype=torch.float32, requires_grad=True)
    head = torch.nn.Linear(d, v)
    with torch.no_grad():
        for weight in head.parameters():
            weight.copy_(torch.tensor(rng.normal(size=tuple(weight.shape))))
    return hidden, head, targets(teacher, kind, None if kind == "full" else 5)


@pytest.mark.parametrize("chunk", [1, 4, 11, 64])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("sft", "full"), ("kd", "full"), ("jsd", "topk"), ("rkl", "topk"), ("fkl", "sampled")],
)
def test_value_and_gradients_are_those_of_the_whole(name: str, kind: str, chunk: int) -> None:
    import torch

    from readsim_hf.objectives.chunks import chunked_loss
    from readsim_hf.objectives.table import make_objective

    hidden, head, record = setting(kind)
    objective = make_objective(name)
    variables = [hidden, *head.parameters()]
    whole = objective(head(hidden), record).sum()
    expected = torch.autograd.grad(whole, variables)
    total, n = chunked_loss(hidden, head, objective, record, chunk)
    assert (n, total.shape, total.dtype) == (11, (), torch.float32)
    torch.testing.assert_close(total, whole)
    for grad, reference in zip(torch.autograd.grad(total, variables), expected, strict=True):
        torch.testing.assert_close(grad, reference, rtol=1e-4, atol=1e-5)


def test_logits_of_one_chunk_exist_at_a_time() -> None:
    """The objective never sees more positions, and nothing of a chunk's width is kept for later."""
    import torch

    from readsim_hf.objectives.chunks import chunked_loss
    from readsim_hf.objectives.table import make_objective

    hidden, head, record = setting("topk")
    seen: list[int] = []
    kept: list[tuple[int, ...]] = []
    inner = make_objective("fkl")

    class Watch:
        needs_soft = True

        def __call__(self, logits: Any, targets: Any) -> Any:
            seen.append(len(logits))
            return inner(logits, targets)

    def keep(x: Any) -> Any:
        kept.append(tuple(x.shape))
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        inner(head(hidden), record)
    assert (11, 40) in kept  # the hook sees what is kept without chunks
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        total, _ = chunked_loss(hidden, head, Watch(), record, 4)
    assert seen == [4, 4, 3]
    assert (11, 40) not in kept
    torch.autograd.grad(total, hidden)
    assert seen == [4, 4, 3]  # nothing is computed twice


def test_bfloat16_and_no_gradient() -> None:
    import torch

    from readsim_hf.objectives.chunks import chunked_loss
    from readsim_hf.objectives.table import make_objective

    hidden, head, record = setting("topk")
    half = hidden.detach().bfloat16().requires_grad_()
    head = head.bfloat16()
    objective = make_objective("fkl")
    total, _ = chunked_loss(half, head, objective, record, 4)
    (grad,) = torch.autograd.grad(total, half)
    assert total.dtype == torch.float32
    assert grad.dtype == torch.bfloat16
    assert bool(grad.isfinite().all())
    with torch.no_grad():
        again, _ = chunked_loss(half, head, objective, record, 4)
        assert not again.requires_grad
        torch.testing.assert_close(again, objective(head(half), record).sum())


def test_no_positions_and_wrong_sizes() -> None:
    import torch

    from readsim_hf.objectives.base import Targets
    from readsim_hf.objectives.chunks import chunked_loss
    from readsim_hf.objectives.table import make_objective

    hidden, head, record = setting("full")
    objective = make_objective("sft")
    total, n = chunked_loss(hidden[:0], head, objective, Targets(record.tokens[:0], None), 4)
    (grad,) = torch.autograd.grad(total, hidden)
    assert (total.item(), n) == (0.0, 0)
    assert bool((grad == 0).all())
    with pytest.raises(ConfigError, match="11 hidden states and 3 targets"):
        chunked_loss(hidden, head, objective, Targets(record.tokens[:3], None), 4)
    wrong: tuple[Any, ...] = (0, -1, 2.5, True)
    for chunk in wrong:
        with pytest.raises(ConfigError, match=f"chunk is {chunk!r}"):
            chunked_loss(hidden, head, objective, record, chunk)


PEAK = """
import sys, torch
from pathlib import Path
from readsim_hf.objectives.chunks import chunked_loss
from readsim_hf.objectives.base import SoftTargets, Targets
from readsim_hf.objectives.table import make_objective

torch.set_num_threads(1)
n, v, d, k = 512, 49152, 16, 64
hidden = torch.ones(n, d, requires_grad=True)
head = torch.nn.Linear(d, v, bias=False)
tokens = torch.zeros(n, dtype=torch.int64)
objective = make_objective("fkl")
if sys.argv[1] == "full":
    soft = SoftTargets("full", torch.empty(n, 0, dtype=torch.int64), torch.full((n, v), -10.8))
    loss = objective(head(hidden), Targets(tokens, soft)).sum()
else:
    soft = SoftTargets("topk", torch.arange(k).expand(n, k), torch.full((n, k), -5.0))
    loss, _ = chunked_loss(hidden, head, objective, Targets(tokens, soft), 32)
loss.backward()
# Unlike ru_maxrss, this does not count the process that started this one.
status = Path("/proc/self/status").read_text().split()
print(status[status.index("VmHWM:") + 1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.slow
def test_top_k_in_chunks_needs_less_than_half_of_the_memory() -> None:
    """Peak of a process with 512 positions and a vocabulary of 49152, imports included."""

    def peak(which: str) -> int:
        path = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'adapters')!r}]\n"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", path + PEAK, which],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert peak("topk") < 0.5 * peak("full")
