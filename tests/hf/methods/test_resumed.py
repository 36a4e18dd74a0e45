"""Every method that needs no prose is saved, loaded into a second backend, and goes on to the same bits.

Those that need prose are in `tests/hf/elicitation/test_prose_runs.py`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from readsim_hf.methods.table import METHODS
from tests.hf.teachers.test_two_tokenizers import other_pair
from tests.hf.test_specialised import saying
from tests.support.hf import NEEDS, char_pair, tiny
from tests.support.hf_runs import small
from tests.support.resumed import SHARES, assert_resumes

pytestmark = [pytest.mark.extra(*NEEDS), pytest.mark.usefixtures("right_by_chance")]

TOKENS = 40  # a decision
RUN = [n for n, one in METHODS.items() if not one.command and "prose" not in one.needs]
# Of two alike the one whose twin is among the quick ones.
RARE = {"logit-sft", "resp-kd", "gap-kd", "gkd", "opd", "dpo", "plad", "pro", "mopd-kl", "minillm"}


def run_of(method: str, **settings: Any) -> Any:
    """A backend on the tiny pair; tokens differ where the method is for that."""
    if method and METHODS[method].family == "other tokens":
        settings |= {"pair": other_pair(), "soft": {"kind": "topk"}}
    return small(method=method, **settings)


def started(method: str, **settings: Any) -> Any:
    """A run between decisions, of which some records wait to be trained on."""
    backend = run_of(method, **settings)
    backend.reset(1)
    backend.run_interval(0, SHARES, TOKENS)
    if not any(backend._feed._queues):  # a few tokens are of one source: the other's wait
        backend.run_interval(0, SHARES, 5)
    assert any(backend._feed._queues)
    return backend


@pytest.mark.parametrize(
    "method", [pytest.param(n, marks=pytest.mark.slow) if n in RARE else n for n in RUN]
)
@pytest.mark.filterwarnings("ignore:the replies to each prompt have equal rewards")
def test_a_second_backend_goes_on_as_the_first_one(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.teachers import teacher

    if method == "step-by-step":  # two parts, which a random teacher does not write
        monkeypatch.setattr(teacher, "generate", saying(lambda text: f"{len(text)}:1=9", []))
    assert_resumes(started(method), run_of(method), tmp_path, TOKENS)


@pytest.mark.extra("peft")
@pytest.mark.parametrize("kind", ["mse", "cosine"])
def test_adapters_and_the_maps_between_widths_go_on_too(kind: str, tmp_path: Path) -> None:
    def made() -> Any:
        pair = char_pair()
        pair = replace(pair, teacher=tiny(len(pair.tokenizer), 1, width=32).requires_grad_(False))
        named = {"method": "", "signal": "cot", "objective": f"sft + hidden(kind={kind})"}
        recipe = {"batch": 4, "learning_rate": 0.01, "lora": 2}
        return small(pair=pair, training=recipe, **named)

    one = made()
    one.reset(1)
    one.run_interval(0, SHARES, TOKENS)
    assert any(name.startswith("layers.maps") for name in one.student.names)
    assert_resumes(one, made(), tmp_path, TOKENS)


@pytest.mark.parametrize(
    ("method", "forgotten"), [("cot-sft", "queues"), ("open-mopd", "source_weights")]
)
def test_what_a_run_forgets_is_seen(
    method: str, forgotten: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a part of what is saved left out, the second backend goes another way."""
    from readsim_hf.backend import HFBackend

    whole = HFBackend._tree

    def tree(self: Any) -> dict[str, Any]:
        made = whole(self)
        part = made if forgotten in made else made["feed"]
        assert part[forgotten]
        part[forgotten] = {} if isinstance(part[forgotten], dict) else [[], []]
        return made

    monkeypatch.setattr(HFBackend, "_tree", tree)
    with pytest.raises(AssertionError, match="windows"):
        assert_resumes(started(method), run_of(method), tmp_path, TOKENS)
