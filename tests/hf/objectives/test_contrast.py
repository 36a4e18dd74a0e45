"""DistiLLM-2's loss on both replies to a prompt, beside numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ConfigError
from tests.hf.objectives.test_groups import SEEDS, own_text
from tests.support.made_targets import kl, made, softmax

pytestmark = pytest.mark.extra("torch")


@given(seed=SEEDS, alpha=st.sampled_from([0.1, 0.6]))
def test_each_reply_of_a_prompt_is_skewed_in_its_own_way(seed: int, alpha: float) -> None:
    import torch

    t, s, student, own = own_text(seed)
    p, q = softmax(t), softmax(s)
    here = torch.tensor([True, False] * 3)
    forward, reverse = (kl(x, alpha * x + (1 - alpha) * y) for x, y in ((p, q), (q, p)))
    loss = made("contrast", alpha=alpha)(student, own._replace(own=here))
    expected = np.where(here.numpy(), reverse, forward)
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    alone = made("contrast", alpha=alpha)(student, own._replace(own=None))
    np.testing.assert_allclose(alone.detach().numpy(), forward, rtol=1e-4, atol=1e-5)
    same = torch.from_numpy(t).float().requires_grad_()
    loss = made("contrast", alpha=alpha)(same, own._replace(own=here))
    (grad,) = torch.autograd.grad(loss.sum(), same)
    assert max(float(loss.detach().abs().max()), float(grad.abs().max())) < 1e-5
    with pytest.raises(ConfigError, match="alpha"):
        made("contrast", alpha=1.0)
