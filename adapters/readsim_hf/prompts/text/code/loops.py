"""Loops, recursion, lists, strings and dictionaries: what is printed."""

from collections.abc import Callable

from readsim_hf.prompts.scaffold import Factors, Scaffold, Slots, Solution, Values
from readsim_hf.prompts.slots import Choice, Integer, Integers, Sample
from readsim_hf.prompts.text.code.functions import fenced
from readsim_hf.prompts.words import ANIMALS, FRUITS, THINGS

# Conditions and terms of a loop over i: as written and as computed.
CONDITIONS: dict[str, Callable[[int, int], bool]] = {
    "i % {c} == 0": lambda i, c: i % c == 0,
    "i % {c} != 0": lambda i, c: i % c != 0,
    "i > {c}": lambda i, c: i > c,
    "i != {c}": lambda i, c: i != c,
}
TERMS: dict[str, Callable[[int, int], int]] = {
    "i": lambda i, d: i,
    "i * {d}": lambda i, d: i * d,
    "i + {d}": lambda i, d: i + d,
    "i * i": lambda i, d: i * i,
    "{d}": lambda i, d: d,
}
METHODS: dict[str, Callable[[str], str]] = {
    ".upper()": str.upper,
    "[::-1]": lambda text: text[::-1],
    "[1:]": lambda text: text[1:],
    "[:-1]": lambda text: text[:-1],
    "[::2]": lambda text: text[::2],
    " * 2": lambda text: text * 2,
    '.replace("e", "o")': lambda text: text.replace("e", "o"),
    '.replace("a", "")': lambda text: text.replace("a", ""),
    ' + "s"': lambda text: text + "s",
}
_WORDS = (*ANIMALS, *FRUITS, *THINGS)
# Edits of a list called xs: as written and as done; {n} is a whole number.
EDITS: dict[str, Callable[[list[int], int], object]] = {
    "xs.append({n})": lambda xs, n: xs.append(n),
    "xs.insert(0, {n})": lambda xs, n: xs.insert(0, n),
    "xs.pop()": lambda xs, n: xs.pop(),
    "xs.pop(0)": lambda xs, n: xs.pop(0),
    "xs.reverse()": lambda xs, n: xs.reverse(),
    "xs.sort()": lambda xs, n: xs.sort(),
    "xs[0] = {n}": lambda xs, n: xs.__setitem__(0, n),
    "xs[-1] += {n}": lambda xs, n: xs.__setitem__(-1, xs[-1] + n),
}


def _printed(name: str, inputs: tuple[int, ...]) -> str:
    return "\n".join(f"print({name}({x}))" for x in inputs)


def _loop(v: Values) -> Solution:
    condition, term, c, d = v["condition"], v["term"], v["c"], v["d"]
    values, why = [], []
    for n in v["inputs"]:
        used = [i for i in range(1, n + 1) if CONDITIONS[condition](i, c)]
        added = [TERMS[term](i, d) for i in used]
        values.append(sum(added))
        why.append(f"f({n}): {' + '.join(map(str, added)) or '0'} = {sum(added)}.")
    code = (
        "def f(n):\n    total = 0\n    for i in range(1, n + 1):\n"
        f"        if {condition.format(c=c)}:\n            total += {term.format(d=d)}\n"
        f"    return total\n\n{_printed('f', v['inputs'])}"
    )
    return Solution(
        "\n".join(map(str, values)), rationale=" ".join(why), shown={"code": fenced(code)}
    )


def _rounds(v: Values) -> Solution:
    """How often a loop runs that divides or subtracts."""
    values, why = [], []
    for n in v["inputs"]:
        seen = [n]
        while seen[-1] > v["stop"]:
            seen.append(seen[-1] // v["by"] if seen[-1] % v["by"] == 0 else seen[-1] - 1)
        values.append(len(seen) - 1)
        why.append(f"f({n}): n is {', '.join(map(str, seen))}, so {len(seen) - 1} rounds.")
    code = (
        f"def f(n):\n    rounds = 0\n    while n > {v['stop']}:\n        if n % {v['by']} == 0:\n"
        f"            n = n // {v['by']}\n        else:\n            n = n - 1\n"
        f"        rounds += 1\n    return rounds\n\n{_printed('f', v['inputs'])}"
    )
    return Solution(
        "\n".join(map(str, values)), rationale=" ".join(why), shown={"code": fenced(code)}
    )


def _recursion(v: Values) -> Solution:
    values, why = [], []
    for n in v["inputs"]:
        steps = [v["base"]]
        for i in range(1, n + 1):
            steps.append(steps[-1] * v["times"] + i * v["plus"])
        values.append(steps[-1])
        why.append("; ".join(f"f({i}) = {value}" for i, value in enumerate(steps)) + ".")
    code = (
        f"def f(n):\n    if n == 0:\n        return {v['base']}\n"
        f"    return f(n - 1) * {v['times']} + n * {v['plus']}\n\n{_printed('f', v['inputs'])}"
    )
    return Solution(
        "\n".join(map(str, values)), rationale=" ".join(why), shown={"code": fenced(code)}
    )


def _edits(v: Values) -> Solution:
    xs, why, lines = list(v["start"]), [], []
    for edit, n in zip(v["edits"], v["numbers"], strict=False):
        EDITS[edit](xs, n)
        lines.append(edit.format(n=n))
        why.append(f"{lines[-1]}: {xs}.")
    body = "".join(f"    {line}\n" for line in lines)
    code = f"def edit(xs):\n{body}    return xs\n\nprint(edit({list(v['start'])}))"
    return Solution(str(xs), rationale=" ".join(why), shown={"code": fenced(code)})


def _strings(v: Values) -> Solution:
    """Functions of a string, applied one after the other to each word."""
    names = "fgh"[: len(v["methods"])]
    defs = [
        f"def {name}(s):\n    return s{method}"
        for name, method in zip(names, v["methods"], strict=True)
    ]
    prints, values, why = [], [], []
    for word in v["words"]:
        text, value = f'"{word}"', word
        for name, method in zip(names, v["methods"], strict=True):
            text, value = f"{name}({text})", METHODS[method](value)
            why.append(f'{name} gives "{value}".')
        prints.append(f"print({text})")
        values.append(value)
    code = "\n\n".join(defs) + "\n\n" + "\n".join(prints)
    return Solution(", ".join(values), rationale=" ".join(why), shown={"code": fenced(code)})


def _counts(v: Values) -> Solution:
    words = [v["words"][at % len(v["words"])] for at in v["at"]]
    asked = v["words"][: v["asks"]]
    prints = "\n".join(f'print(count(words).get("{word}", 0))' for word in asked)
    code = (
        f"words = {words}\n\ndef count(items):\n    found = {{}}\n    for item in items:\n"
        f"        found[item] = found.get(item, 0) + 1\n    return found\n\n{prints}"
    ).replace("'", '"')
    return Solution(
        "\n".join(str(words.count(word)) for word in asked),
        rationale=" ".join(f'"{word}" occurs {words.count(word)} times.' for word in asked),
        shown={"code": fenced(code)},
    )


def _comprehension(v: Values) -> Solution:
    condition, term, c, d = v["condition"], v["term"], v["c"], v["d"]
    kept = [i for i in v["numbers"] if CONDITIONS[condition](i, c)]
    values = [TERMS[term](i, d) for i in kept]
    body = f"[{term.format(d=d)} for i in xs if {condition.format(c=c)}]"
    code = f"def f(xs):\n    return {body}\n\nprint(sum(f({list(v['numbers'])})))"
    return Solution(
        str(sum(values)),
        rationale=f"The condition keeps {kept}. The list is {values}. Its sum is {sum(values)}.",
        shown={"code": fenced(code)},
    )


_INPUTS = Integers(1, 4, 3, 12, distinct=True)
_FACTORS: Factors = {"functions": 1, "tests": lambda v: len(v["inputs"])}
_CHOICES: Slots = {
    "condition": Choice(tuple(CONDITIONS)),
    "term": Choice(tuple(TERMS)),
    "c": Integer(2, 5),
    "d": Integer(2, 9),
}
_PRINTS = "What does this program print? Give the numbers only, one a line.\n{code}"

TEMPLATES = (
    Scaffold(
        "code/loop",
        _PRINTS,
        slots={**_CHOICES, "inputs": _INPUTS},
        solve=_loop,
        factors=_FACTORS,
        checker="list_equal",
    ),
    Scaffold(
        "code/while",
        _PRINTS,
        slots={
            "by": Integer(2, 4),
            "stop": Integer(1, 6),
            "inputs": Integers(1, 4, 7, 60, distinct=True),
        },
        solve=_rounds,
        factors=_FACTORS,
        checker="list_equal",
    ),
    Scaffold(
        "code/recursion",
        _PRINTS,
        slots={
            "base": Integer(0, 9),
            "times": Integer(1, 3),
            "plus": Integer(1, 9),
            "inputs": Integers(1, 4, 1, 5, distinct=True),
        },
        solve=_recursion,
        factors=_FACTORS,
        checker="list_equal",
    ),
    Scaffold(
        "code/list-edits",
        "Which list does this program print?\n{code}",
        slots={
            "start": Integers(5, 7, 1, 30),
            "edits": Sample(tuple(EDITS), 2, 5),
            "numbers": Integers(5, 5, 1, 30),
        },
        solve=_edits,
        factors={"functions": 1, "tests": 1},
        checker="json_equal",
    ),
    Scaffold(
        "code/strings",
        "What does this program print? Give the words only, with commas between them.\n{code}",
        slots={"methods": Sample(tuple(METHODS), 1, 3), "words": Sample(_WORDS, 1, 3)},
        solve=_strings,
        factors={"functions": lambda v: len(v["methods"]), "tests": lambda v: len(v["words"])},
        checker="list_equal",
    ),
    Scaffold(
        "code/counts",
        _PRINTS,
        slots={
            "words": Sample(_WORDS, 4, 6),
            "at": Integers(4, 9, 0, 59),
            "asks": Integer(1, 4),
        },
        solve=_counts,
        factors={"functions": 1, "tests": lambda v: v["asks"]},
        checker="list_equal",
    ),
    Scaffold(
        "code/comprehension",
        "What number does this program print?\n{code}",
        slots={**_CHOICES, "numbers": Integers(4, 9, 0, 20)},
        solve=_comprehension,
        factors={"functions": 1, "tests": 1},
        checker="number",
    ),
)
