"""HumanEval and MBPP: the item's tests judge the model's program, both in the sandbox (pass@1)."""

from collections.abc import Mapping
from typing import Any

from readsim.files import AnyPath
from readsim_hf.probes.benchmark import TextBenchmark
from readsim_hf.probes.calls import strip_fence
from readsim_hf.probes.catalogue import BenchmarkEntry
from readsim_hf.probes.items import Item, row_item
from readsim_hf.probes.sandbox import AllowCode, need_permission, run_code

# What follows a completed function: the reply is cut before the first of them, unless it is fenced.
_AFTER = ("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint(", "\nassert ", "\n```")
_STOP = ("\nclass ", "\nif __name__", "\nprint(")


def humaneval_parts(data: Mapping[str, Any], reply: str) -> tuple[str, str]:
    """The program, which is prompt and completion, and its tests.

    A reply that defines the function itself, in a code fence or bare, is taken as it is, after the
    prompt's own text with an empty body (for its imports and helpers). The tests have these helpers from
    the prompt, not from the reply.
    """
    prompt, entry_point = data["prompt"], data["entry_point"]
    code, stub = strip_fence(reply), f"{data['prompt']}\n    pass\n\n"
    if f"def {entry_point}(" in code:
        program = f"{stub}{code}\n"
    else:
        program = prompt + (code if "```" in reply else _cut(code)) + "\n"
    return program, f"{stub}del {entry_point}\n\n{data['test']}\n\ncheck({entry_point})\n"


def _cut(code: str) -> str:
    ends = [code.find(mark) for mark in _AFTER if mark in code]
    return code[: min(ends)] if ends else code


def mbpp_parts(data: Mapping[str, Any], reply: str) -> tuple[str, str]:
    """The reply as a program, and its tests."""
    setup = data.get("test_setup_code") or ""
    return strip_fence(reply) + "\n", "\n".join([setup, *data["test_list"]]) + "\n"


def load_humaneval(
    entry: BenchmarkEntry,
    path: AnyPath,
    max_new_tokens: int = 512,
    *,
    allow_code: AllowCode = False,
) -> tuple[TextBenchmark, tuple[Item, ...]]:
    """HumanEval. Columns: `prompt`, `test` (defines `check`), `entry_point`.

    Raises CapabilityMissingError without `allow_code`.
    """
    need_permission(allow_code)
    rows = entry.read(path)

    def ask(data: Mapping[str, Any]) -> str:
        return str(data["prompt"])

    def score(data: Mapping[str, Any], reply: str) -> float:
        return float(run_code(*humaneval_parts(data, reply), allow_code=allow_code).passed)

    def gold(data: Mapping[str, Any]) -> str:
        return str(data.get("canonical_solution") or data["test"])

    made = TextBenchmark(entry.name, entry.capability, ask, score, max_new_tokens, _STOP, gold=gold)
    return made, tuple(row_item(made.name, row, entry.question) for row in rows)


def load_mbpp(
    entry: BenchmarkEntry,
    path: AnyPath,
    max_new_tokens: int = 512,
    *,
    allow_code: AllowCode = False,
) -> tuple[TextBenchmark, tuple[Item, ...]]:
    """MBPP. Columns: `text`, `test_list` (assertions), optionally `test_setup_code`.

    Raises CapabilityMissingError without `allow_code`.
    """
    need_permission(allow_code)
    rows = entry.read(path)

    def ask(data: Mapping[str, Any]) -> str:
        tests = "\n".join(data["test_list"])
        return (
            f"You are an expert Python programmer, and here is your task: {data['text']} "
            f"Your code should pass these tests:\n\n{tests}\n[BEGIN]\n"
        )

    def score(data: Mapping[str, Any], reply: str) -> float:
        return float(run_code(*mbpp_parts(data, reply), allow_code=allow_code).passed)

    def gold(data: Mapping[str, Any]) -> str:
        return str(data.get("code") or "\n".join(data["test_list"]))

    made = TextBenchmark(
        entry.name, entry.capability, ask, score, max_new_tokens, ("[DONE]",), gold=gold
    )
    return made, tuple(row_item(made.name, row, entry.question) for row in rows)
