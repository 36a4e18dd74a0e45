"""Languages of the multilingual templates: a TOML file each, in the folder `languages`.

Lists of the same name stand in the same order in every file: item 3 means the same everywhere.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

Pair = tuple[str, str]


@dataclass(frozen=True)
class Numbers:
    """Words of numbers: from 0 up, then the tens after the units, then 100, 200 and so on."""

    units: tuple[str, ...]
    tens: tuple[str, ...]
    hundreds: tuple[str, ...]


@dataclass(frozen=True)
class Tongue:
    """Words and sentences of one language.

    tier        1 English, 2 other languages in Latin script, 3 the rest
    date        pattern of a date, with {day} and {month}
    opposites   pairs of words, each the opposite of the other
    languages   code -> name of that language, as the sentence `translate` needs it
    kinds       name of a word list -> what its members are
    sentences   name of a scaffold -> its text
    """

    code: str
    name: str
    script: str
    tier: int
    plus: str
    minus: str
    times: str
    yes: str
    no: str
    date: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    months_in_dates: tuple[str, ...]
    colours: tuple[str, ...]
    animals: tuple[str, ...]
    opposites: tuple[Pair, ...]
    languages: Mapping[str, str]
    kinds: Mapping[str, str]
    sentences: Mapping[str, str]
    numbers: Numbers

    @property
    def words(self) -> tuple[str, ...]:
        """Every word with a counterpart at the same place in the other languages."""
        flat = (word for pair in self.opposites for word in pair)
        return (*self.weekdays, *self.months, *self.colours, *self.animals, *flat)

    def list_named(self, kind: str) -> tuple[str, ...]:
        """The word list of a kind."""
        lists = {
            "weekdays": self.weekdays,
            "months": self.months,
            "colours": self.colours,
            "animals": self.animals,
        }
        return lists[kind]

    def on(self, day: int, month: int) -> str:
        """A date; `month` from 0."""
        return self.date.format(day=day, month=self.months_in_dates[month])


def _load(code: str, text: str) -> Tongue:
    data = tomllib.loads(text)
    data.setdefault("months_in_dates", data["months"])
    data["opposites"] = tuple((one, other) for one, other in data["opposites"])
    data["numbers"] = Numbers(**{key: tuple(value) for key, value in data["numbers"].items()})
    lists = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
    return Tongue(code=code, **{**data, **lists})


def _load_all() -> dict[str, Tongue]:
    folder = files("readsim_hf.prompts.text") / "languages"
    found = sorted(folder.iterdir(), key=lambda file: file.name)
    codes = [file.name.removesuffix(".toml") for file in found if file.name.endswith(".toml")]
    return {c: _load(c, (folder / f"{c}.toml").read_text(encoding="utf-8")) for c in codes}


TONGUES: Mapping[str, Tongue] = _load_all()
