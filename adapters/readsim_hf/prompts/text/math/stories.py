"""Word problems."""

from fractions import Fraction

from readsim_hf.prompts.scaffold import Scaffold, Slots, Solution, Values
from readsim_hf.prompts.slots import NAME, Choice, Integer, Integers, Sample, Sized
from readsim_hf.prompts.text.math.arithmetic import digits
from readsim_hf.prompts.words import FRUITS, NAMES, THINGS, plural


def _story(v: Values) -> Solution:
    """Gains and losses; nobody loses more than they have."""
    have, told, why = v["first"], [], []
    for at, number in enumerate(v["numbers"]):
        lose = bool(v["bits"] >> at & 1) and number < have
        ways = ("gives away", "loses", "sells") if lose else ("buys", "finds", "is given")
        told.append(f"{v['who']} {ways[at % 3]} {number}.")
        after = have - number if lose else have + number
        why.append(f"{have} {'-' if lose else '+'} {number} = {after}.")
        have = after
    return Solution(
        str(have),
        rationale=" ".join(why),
        shown={"things": plural(v["thing"]), "story": " ".join(told)},
    )


def _bill(v: Values) -> tuple[int, list[str]]:
    """What the shopping costs, and how it is added up."""
    pairs = list(zip(v["counts"], v["prices"], strict=False))
    costs = [count * price for count, price in pairs]
    why = [f"{n} * {price} = {n * price}." for n, price in pairs]
    if len(costs) > 1:
        why.append(f"{' + '.join(map(str, costs))} = {sum(costs)}.")
    return sum(costs), why


def _largest(v: Values) -> int:
    return digits(*v["counts"], *v["prices"][: len(v["counts"])])


def _list(v: Values) -> str:
    lines = [
        f"{count} {plural(fruit)} at {price} coins each"
        for count, fruit, price in zip(v["counts"], v["fruits"], v["prices"], strict=False)
    ]
    return " and ".join(lines)


def _cost(v: Values) -> Solution:
    total, why = _bill(v)
    return Solution(str(total), rationale=" ".join(why), shown={"list": _list(v)})


def _change(v: Values) -> Solution:
    total, why = _bill(v)
    paid = total + v["change"]
    why.append(f"{paid} - {total} = {v['change']}.")
    return Solution(
        str(v["change"]), rationale=" ".join(why), shown={"list": _list(v), "paid": paid}
    )


def _distance(v: Values) -> Solution:
    legs = list(zip(v["speeds"], v["hours"], strict=False))
    parts = [speed * hours for speed, hours in legs]
    told = ", then ".join(
        f"{hours} {'hour' if hours == 1 else 'hours'} at {speed} km an hour"
        for speed, hours in legs
    )
    why = [f"{speed} * {hours} = {speed * hours}." for speed, hours in legs]
    if len(parts) > 1:
        why.append(f"{' + '.join(map(str, parts))} = {sum(parts)}.")
    return Solution(str(sum(parts)), rationale=" ".join(why), shown={"legs": told})


def _percent(v: Values) -> Solution:
    whole = 20 * v["twenties"]
    part = whole * v["percent"] // 100
    after = whole + part if v["up"] else whole - part
    sign = "+" if v["up"] else "-"
    return Solution(
        str(after),
        rationale=f"{v['percent']}% of {whole} is {part}. {whole} {sign} {part} = {after}.",
        shown={"whole": whole, "change": "raised" if v["up"] else "lowered"},
    )


def _share(v: Values) -> Solution:
    each, rest = v["each"], v["rest"] % v["people"]
    total = each * v["people"] + rest
    why = f"{total} - {rest} = {total - rest}. {total - rest} / {v['people']} = {each}."
    return Solution(
        str(each),
        rationale=why,
        shown={"total": total, "things": plural(v["thing"]), "left": rest},
    )


def _ages(v: Values) -> Solution:
    a, b = v["people"]
    old = v["young"] * v["times"] + v["later"]
    why = (
        f"{b} will be {v['young']} + {v['later']} = {v['young'] + v['later']}. "
        f"{a} is {v['young']} * {v['times']} = {v['young'] * v['times']} now. "
        f"{v['young'] * v['times']} + {v['later']} = {old}. "
        f"{old} + {v['young'] + v['later']} = {old + v['young'] + v['later']}."
    )
    return Solution(str(old + v["young"] + v["later"]), rationale=why, shown={"one": a, "other": b})


def _work(v: Values) -> Solution:
    """Two who work together: hours as a fraction."""
    a, b = v["hours"]
    hours = Fraction(a * b, a + b)
    why = f"Together 1/{a} + 1/{b} = {a + b}/{a * b} of the work an hour, so {hours} hours."
    one, other = v["people"]
    return Solution(str(hours), rationale=why, shown={"one": one, "other": other, "a": a, "b": b})


_SHOPPING: Slots = {
    "fruits": Sample(FRUITS, 3, 3),
    "counts": Integers(1, 3, 2, 12),
    "prices": Integers(3, 3, 2, 60),
}

TEMPLATES = (
    Scaffold(
        "math/story",
        "{who} has {first} {things}. {story} How many {things} does {who} have now?",
        slots={
            "who": NAME,
            "thing": Choice((*FRUITS, *THINGS)),
            "first": Sized(1, 3),
            "numbers": Integers(1, 5, 2, 120),
            "bits": Integer(0, 31),
        },
        solve=_story,
        factors={
            "operations": lambda v: len(v["numbers"]),
            "operand_size": lambda v: digits(v["first"], *v["numbers"]),
            "steps": lambda v: len(v["numbers"]),
        },
        checker="number",
    ),
    Scaffold(
        "math/shopping",
        "{who} buys {list}. How many coins does that cost?",
        slots={"who": NAME, **_SHOPPING},
        solve=_cost,
        factors={
            "operations": lambda v: 2 * len(v["counts"]) - 1,
            "operand_size": _largest,
            "steps": lambda v: 1 + (len(v["counts"]) > 1),
        },
        checker="number",
    ),
    Scaffold(
        "math/change",
        "{who} buys {list} and pays with {paid} coins. How many coins come back?",
        slots={"who": NAME, "change": Integer(1, 99), **_SHOPPING},
        solve=_change,
        factors={
            "operations": lambda v: 2 * len(v["counts"]),
            "operand_size": _largest,
            "steps": lambda v: 2 + (len(v["counts"]) > 1),
        },
        checker="number",
    ),
    Scaffold(
        "math/distance",
        "A train runs {legs}. How many km does it run in all?",
        slots={"speeds": Integers(1, 3, 20, 180), "hours": Integers(3, 3, 1, 12)},
        solve=_distance,
        factors={
            "operations": lambda v: 2 * len(v["speeds"]) - 1,
            "operand_size": lambda v: digits(*v["speeds"]),
            "steps": lambda v: 1 + (len(v["speeds"]) > 1),
        },
        checker="number",
    ),
    Scaffold(
        "math/percent",
        "A price of {whole} coins is {change} by {percent} percent. What is the new price?",
        slots={
            "twenties": Integer(1, 100),
            "percent": Choice(tuple(range(5, 100, 5))),
            "up": Integer(0, 1),
        },
        solve=_percent,
        factors={
            "operations": 2,
            "operand_size": lambda v: digits(20 * v["twenties"]),
            "steps": 2,
        },
        checker="number",
    ),
    Scaffold(
        "math/share",
        "{total} {things} are shared out so that {people} children get equally many and {left} "
        "are left over. How many does each child get?",
        slots={
            "thing": Choice((*FRUITS, *THINGS)),
            "people": Integer(2, 15),
            "each": Integer(2, 60),
            "rest": Integer(0, 59),
        },
        solve=_share,
        factors={
            "operations": 2,
            "operand_size": lambda v: digits(v["people"] * v["each"]),
            "steps": 2,
        },
        checker="number",
    ),
    Scaffold(
        "math/ages",
        "{other} is {young} years old and {one} is {times} times as old. How old will they be "
        "together in {later} years?",
        slots={
            "people": Sample(NAMES, 2, 2),
            "young": Integer(3, 25),
            "times": Integer(2, 4),
            "later": Integer(2, 20),
        },
        solve=_ages,
        factors={
            "operations": 4,
            "operand_size": lambda v: digits(v["young"] * v["times"]),
            "steps": 3,
        },
        checker="number",
    ),
    Scaffold(
        "math/together",
        "{one} paints a wall in {a} hours, {other} in {b} hours. How many hours do they need "
        "together? Give a fraction in lowest terms, or a whole number.",
        slots={"people": Sample(NAMES, 2, 2), "hours": Integers(2, 2, 2, 30)},
        solve=_work,
        factors={
            "operations": 3,
            "operand_size": lambda v: digits(*v["hours"]),
            "steps": 2,
        },
        checker="number",
    ),
)
