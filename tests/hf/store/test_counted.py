"""For which prompt of a store the teacher's tokens are counted."""

from types import SimpleNamespace
from typing import Any

import pytest

from readsim_hf.prompts.prompt import Prompt
from tests.support.hf import NEEDS
from tests.support.made_teachers import CHAT, teacher

pytestmark = pytest.mark.extra(*NEEDS, "pyarrow")


def test_prompts_of_one_call_have_each_what_it_took_alone() -> None:
    """Also where only what stands around the user's text differs, and of messages about a prompt."""
    from readsim_hf.elicitation.base import Request
    from readsim_hf.teach import _Asking
    from readsim_hf.training.elicited import _turn

    def row(n: int, system: str) -> Prompt:
        turns = ({"role": "system", "content": system}, {"role": "user", "content": "hi"})
        return Prompt("s", f"s#{n}", "hi", checker="final", messages=turns, row=n)

    prompts = [row(0, "be brief"), row(1, "be kind and long"), row(2, "be")]
    one = teacher(None, temperature=0.0)
    one.tokenizer.chat_template = CHAT

    def asked(some: list[Prompt], texts: tuple[str, ...]) -> list[tuple[int, int]]:
        def ask(these: list[Prompt]) -> list[None]:
            one.ask(these)
            for text in texts:
                one.ask([_turn(Request(prompt, f"{text} {prompt.row}")) for prompt in these])
            return [None] * len(these)

        asking: Any = object.__new__(_Asking)
        asking._heard = []
        one.listener = asking._heard.extend
        asking.feed = SimpleNamespace(
            teacher=SimpleNamespace(ask=ask), records=lambda prompt, reply: ()
        )
        asking.parts = SimpleNamespace(calibrations={})
        return [stored.asked for stored in asking._ask(some)]

    for texts in ((), ("Is it good?", "Say more about it.")):
        together = asked(prompts, texts)
        assert together == [asked([prompt], texts)[0] for prompt in prompts]
        assert len({read for read, _ in together}) == len(prompts)
