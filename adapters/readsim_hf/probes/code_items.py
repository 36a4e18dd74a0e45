"""HumanEval and MBPP: the model's program runs against the item's tests in the sandbox (pass@1)."""

from collections.abc import Mapping
from typing import Any

from readsim.files import AnyPath
from readsim_hf.probes.benchmark import TextBenchmark
from readsim_hf.probes.calls import strip_fence
from readsim_hf.probes.catalogue import BenchmarkEntry
from readsim_hf.probes.items import Item, row_item
from readsim_hf.probes.sandbox import CodeRun, Limits, need_permission, run_code

# What follows a completed function: the reply is cut before the first of them, unless it is fenced.
_AFTER = ("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint(", "\nassert ", "\n```")
_STOP = ("\nclass ", "\nif __name__", "\nprint(")


def humaneval_program(data: Mapping[str, Any], reply: str) -> str:
    """Prompt, completion and tests as one program.

    A reply that defines the function itself, in a code fence or bare, is taken as it is, after the
    prompt's own text with an empty body (for its imports and helpers).
    """
    prompt, entry_point = data["prompt"], data["entry_point"]
    code = strip_fence(reply)
    if f"def {entry_point}(" in code:
        body = f"{prompt}\n    pass\n\n{code}"
    else:
        body = prompt + (code if "```" in reply else _cut(code))
    return f"{body}\n\n{data['test']}\n\ncheck({entry_point})\n"


def _cut(code: str) -> str:
    ends = [code.find(mark) for mark in _AFTER if mark in code]
    return code[: min(ends)] if ends else code


def mbpp_program(data: Mapping[str, Any], reply: str) -> str:
    """The reply and the tests as one program."""
    setup = data.get("test_setup_code") or ""
    return "\n".join([strip_fence(reply), setup, *data["test_list"]]) + "\n"


def pass_at_1(program: str, *, allow_code: bool = False, limits: Limits | None = None) -> CodeRun:
    """Whether the one program a model wrote passes its tests; see `sandbox.run_code`."""
    return run_code(program, allow_code=allow_code, limits=limits)


def load_humaneval(
    entry: BenchmarkEntry, path: AnyPath, max_new_tokens: int = 512, *, allow_code: bool = False
) -> tuple[TextBenchmark, tuple[Item, ...]]:
    """HumanEval. Columns: `prompt`, `test` (defines `check`), `entry_point`.

    Raises CapabilityMissingError without `allow_code`.
    """
    need_permission(allow_code)
    rows = entry.read(path)

    def ask(data: Mapping[str, Any]) -> str:
        return str(data["prompt"])

    def score(data: Mapping[str, Any], reply: str) -> float:
        return float(pass_at_1(humaneval_program(data, reply), allow_code=allow_code).passed)

    def gold(data: Mapping[str, Any]) -> str:
        return str(data.get("canonical_solution") or data["test"])

    made = TextBenchmark(entry.name, entry.capability, ask, score, max_new_tokens, _STOP, gold=gold)
    return made, tuple(row_item(made.name, row, entry.question) for row in rows)


def load_mbpp(
    entry: BenchmarkEntry, path: AnyPath, max_new_tokens: int = 512, *, allow_code: bool = False
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
        return float(pass_at_1(mbpp_program(data, reply), allow_code=allow_code).passed)

    def gold(data: Mapping[str, Any]) -> str:
        return str(data.get("code") or "\n".join(data["test_list"]))

    made = TextBenchmark(
        entry.name, entry.capability, ask, score, max_new_tokens, ("[DONE]",), gold=gold
    )
    return made, tuple(row_item(made.name, row, entry.question) for row in rows)
