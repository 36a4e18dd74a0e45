"""Requests whose arguments have to be converted or computed."""

from readsim_hf.prompts.scaffold import Scaffold, Values
from readsim_hf.prompts.slots import NAME, Choice, Integer, Sample
from readsim_hf.prompts.text.tool_scaffold import Wanted, call, tool_scaffold
from readsim_hf.prompts.text.tools import DATES, say_date
from readsim_hf.prompts.words import COLOURS, THINGS


def _duration(values: Values) -> Wanted:
    minutes, seconds, thing = values["minutes"], values["seconds"], values["thing"]
    total = 60 * minutes + seconds
    return Wanted(
        (call("remind_in", seconds=total, about=thing),),
        f"In {minutes} minutes and {seconds} seconds, remind me of this: {thing}.",
        f"60 * {minutes} + {seconds} = {total} seconds.",
    )


def _iso(values: Values) -> Wanted:
    day = values["day"]
    return Wanted(
        (call("open_diary", person=values["person"], day=day),),
        f"Open the diary of {values['person']} on {say_date(day)}.",
        f"{say_date(day)} is written {day}.",
    )


def _clock(values: Values) -> Wanted:
    hour, minute, evening = values["hour"], values["minute"], values["evening"]
    time = f"{hour + 12 * evening:02d}:{minute:02d}"
    half = "p.m." if evening else "a.m."
    return Wanted(
        (call("wake_up", person=values["person"], time=time),),
        f"Wake {values['person']} at {hour}:{minute:02d} {half}",
        f"{hour}:{minute:02d} {half} is {time}.",
    )


_UNITS = {  # what is said -> (parameter, how many of it)
    "kilograms": ("grams", 1000),
    "tonnes": ("kilograms", 1000),
    "kilometres": ("metres", 1000),
    "metres": ("centimetres", 100),
    "litres": ("millilitres", 1000),
    "hours": ("minutes", 60),
    "weeks": ("days", 7),
    "dozens": ("pieces", 12),
}


def _unit(values: Values) -> Wanted:
    said, amount = values["unit"], values["amount"]
    unit, factor = _UNITS[said]
    return Wanted(
        (call("record_amount", label=values["thing"], value=amount * factor, unit=unit),),
        f"Record {amount} {said} under the label {values['thing']}, in {unit}.",
        f"{amount} * {factor} = {amount * factor} {unit}.",
    )


_SIZES = {"small": "S", "medium": "M", "large": "L", "extra large": "XL"}


def _enum(values: Values) -> Wanted:
    size, colour, count = values["size"], values["colour"], values["count"]
    return Wanted(
        (call("order_shirts", size=_SIZES[size], colour=colour, count=count),),
        f"Order {count} {colour} shirts, size {size}.",
        f"{size.capitalize()} is {_SIZES[size]}.",
    )


def _total(values: Values) -> Wanted:
    prices, name = values["prices"], values["person"]
    total = sum(prices)
    said = ", ".join(f"{price} euros" for price in prices)
    return Wanted(
        (call("send_invoice", to=name, cents=100 * total),),
        f"Send {name} one invoice for all of this together: {said}.",
        f"{' + '.join(map(str, prices))} = {total} euros = {100 * total} cents.",
    )


SCAFFOLDS: tuple[Scaffold, ...] = (
    tool_scaffold(
        "duration",
        ("- remind_in(seconds: integer, about: string): reminds of something after some time.",),
        {"minutes": Integer(2, 59), "seconds": Integer(2, 59), "thing": Choice(THINGS)},
        _duration,
    ),
    tool_scaffold(
        "iso-date",
        ("- open_diary(person: string, day: string): shows a diary. day: YYYY-MM-DD.",),
        {"person": NAME, "day": Choice(DATES)},
        _iso,
    ),
    tool_scaffold(
        "clock",
        (
            (
                "- wake_up(person: string, time: string): wakes somebody. time: HH:MM, from 00:00 to 23:59."
            ),
        ),
        {
            "person": NAME,
            "hour": Integer(1, 11),
            "minute": Integer(0, 59),
            "evening": Choice((0, 1)),
        },
        _clock,
    ),
    tool_scaffold(
        "unit",
        (
            (
                "- record_amount(label: string, value: integer, unit: string): keeps a number. unit: one of "
                "grams, kilograms, metres, centimetres, millilitres, minutes, days, pieces."
            ),
        ),
        {"amount": Integer(2, 60), "unit": Choice(tuple(_UNITS)), "thing": Choice(THINGS)},
        _unit,
    ),
    tool_scaffold(
        "enum",
        (
            (
                "- order_shirts(size: string, colour: string, count: integer): orders shirts. size: one of "
                "S, M, L, XL."
            ),
        ),
        {"size": Choice(tuple(_SIZES)), "colour": Choice(COLOURS), "count": Integer(2, 50)},
        _enum,
    ),
    tool_scaffold(
        "total",
        ("- send_invoice(to: string, cents: integer): sends an invoice.",),
        {"person": NAME, "prices": Sample(range(2, 100), 2, 5)},
        _total,
    ),
)
