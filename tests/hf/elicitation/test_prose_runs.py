"""Whole runs of the methods that need prose: a stand-in teacher behind a server, and a student of bytes."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim_hf.methods.table import METHODS
from readsim_hf.prompts.prompt import Prompt
from tests.support.hf import NEEDS
from tests.support.made_server import chat, serving
from tests.support.made_voices import sum_of
from tests.support.resumed import SHARES, assert_resumes

pytestmark = [pytest.mark.extra(*NEEDS), pytest.mark.extra("openai")]

TOKENS = 150  # a decision
TEACHER = {"teacher_prompt", "teacher_generated"}
# Kinds of tokens that a run takes where every prompt has a gold answer and the student is always wrong.
TAKES: Mapping[str, set[str]] = {
    "equation-of-thought": TEACHER,
    "plan-then-code": TEACHER,
    "reverse-question": TEACHER | {"judge"},
    "principle-first": TEACHER | {"student_rollout"},
    "new-prompts": {"expansion"},
    "evolved-prompts": {"expansion"},
    "errors-varied": {"expansion", "student_rollout"},
    "guided-prompts": {"expansion", "student_rollout"},
    "selective-reflection": TEACHER | {"expansion", "student_rollout"},
    "corrected": TEACHER | {"student_rollout"},
    "explained": TEACHER | {"student_rollout"},
    "critique": TEACHER | {"student_rollout"},
    "peer-review": TEACHER | {"judge"},
}
# What stands in some lesson of a method and in no other's.
LEARNED = {
    "reverse-question": "plus which number?",
    "principle-first": "Add the tens apart.\n",
    "new-prompts": "apples",
    "evolved-prompts": "apples",
    "errors-varied": "apples",
    "guided-prompts": "apples",
    "corrected": "It is wrong. Write the corrected reply.",
    "critique": "Verdict: wrong",
}


# What the stand-in says to a request that holds a text, the first that does.
SAYS = {
    "Write the reverse question:": "{sum} is {a} plus which number?",
    "Do the two agree": "They do. Yes.",
    "the one principle": "Add the tens apart.",
    "with the task only": "Ann has {m} apples, Ben has {n}. How many do they have?",
    "new task only": "Ann has {m} apples, Ben has {n}. How many do they have?",
    "Explain in a few": "Count the tens, then the ones.",
    "Criticise the solution": "These letters are no sum.\nVerdict: wrong",
    "How sound": "It adds up.\nScore: 9",
    "which number": "{a} + {b} = {rest}\nAnswer: {rest}",
    "": "{a} + {b} = {sum}\nAnswer: {sum}",
}


def prose(body: dict[str, Any]) -> Any:
    """A teacher that reads the first two numbers of a request; new ones depend on it and on its seed."""
    text = body["messages"][-1]["content"]
    a, b = (int(n) for n in [*re.findall(r"\d+", text), "0", "0"][:2])
    m, n = hashlib.sha256(f"{text}{body.get('seed')}".encode()).digest()[:2]
    says = next(said for part, said in SAYS.items() if part in text)
    return chat(says.format(a=a, b=b, sum=a + b, rest=a - b, m=m, n=n))


@dataclass(frozen=True)
class Sums:
    """Sums of two-digit numbers."""

    capability: str

    @property
    def id(self) -> str:
        return f"{self.capability}/sum"

    def make(self, rng: np.random.Generator) -> Prompt:
        a, b = (int(n) for n in rng.integers(10, 100, 2))
        return replace(
            sum_of(a, b, self.capability), template=self.id, factors={"size": float(a + b)}
        )


def backend_of(method: str, *urls: str) -> Any:
    """A run of two capabilities; with a second address `code` has a teacher of its own."""
    from readsim_hf.backend import HFBackend
    from readsim_hf.components import build_components
    from readsim_hf.config import RunConfig, preset_table
    from readsim_hf.elicitation.catalogue import readers_of
    from readsim_hf.models.pairs import Pair
    from readsim_hf.models.teacher_source import TeacherSource
    from readsim_hf.models.tiny import tiny_model
    from readsim_hf.prompts.library import PROSE, Library
    from readsim_hf.teachers.connection import Server, ServerSettings
    from tests.support.made_teachers import bytes_tokenizer

    tokenizer = bytes_tokenizer()
    size = len(tokenizer)
    first, *more = (Server(url, None, ServerSettings(concurrency=4)) for url in urls)
    pair = Pair(
        name="prose",
        teacher=None,
        student=tiny_model("llama", size, 2, 16, 0, context=2048, eos_token_id=0),
        teacher_tokenizer=tokenizer,
        tokenizer=tokenizer,
        library_name="text",
        context=2048,
        vocabulary=size,
        server=first,
        known=False,
        others={"code": TeacherSource("two", None, more[0], tokenizer, False, size)}
        if more
        else {},
    )
    asked = {"novelty": 0.99, "traces": 2}
    table = {
        "budget": 2 * TOKENS,
        "steps": 2,
        "method": method,
        "probes": {"probe": 2, "dev": 2, "test": 2, "max_new_tokens": 2},
        "decoding": {"max_new_tokens": 64, "temperature": 0.7},
        "training": {"batch": 4, "learning_rate": 0.01},
        "data": {"group": 4},
        "elicitation": {k: v for k, v in asked.items() if method in readers_of(k)},
    }
    config = RunConfig.of(preset_table("nano"), table)
    library = Library("text", PROSE, {name: (Sums(name),) for name in ("math", "code")})
    return HFBackend(build_components(config, pair, library), config.budget)


def test_every_method_that_needs_prose_is_run_here() -> None:
    needing = {name for name, method in METHODS.items() if "prose" in method.needs}
    assert needing == set(TAKES)
    for name, kinds in TAKES.items():
        assert kinds <= set(METHODS[name].charges), name


@pytest.mark.parametrize("method", TAKES)
def test_a_run_takes_what_it_says_learns_what_was_said_and_resumes_equal(
    method: str, tmp_path: Path
) -> None:
    import torch

    with serving(answer=prose) as one, serving(answer=prose) as two:
        urls = [one.url, two.url] if method == "peer-review" else [one.url]
        backend = backend_of(method, *urls)
        backend.reset(0)
        before = {name: w.clone() for name, w in backend.student.weights().items()}
        used = backend.run_interval(0, SHARES, TOKENS).token_usage
        assert used["student"] == TOKENS
        assert {k for k, n in used.items() if n and k not in ("student", "probe")} == TAKES[method]
        after = {name: w.clone() for name, w in backend.student.weights().items()}
        assert any(not torch.equal(after[name], w) for name, w in before.items())
        assert bool(two.asked) == (method == "peer-review")

        assert_resumes(backend, backend_of(method, *urls), tmp_path, TOKENS)

        prompts = backend._feed.streams[0].take(4, 0.0)
        said = [
            backend.components.pair.tokenizer.decode([*record.prompt_ids, *record.completion_ids])
            for records in backend._feed.teacher.ask(prompts)
            for record in (records if isinstance(records, tuple) else (records,))
            if record is not None
        ]
    assert said
    if method in LEARNED:
        assert any(LEARNED[method] in text for text in said)
    elif method not in ("explained", "selective-reflection"):  # where the student decides
        assert all(re.search(r"(\d+) \+ (\d+) = \d+\n", text) for text in said)
