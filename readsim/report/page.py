"""The page: parts to HTML. All markup is in page.html and style.css."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from readsim import __version__
from readsim.report.parts import Part
from readsim.report.svg import inline

WIDE, HUGE = 12, 24  # columns from which headers stand upright, and numbers are small
GENERATOR = "readsim report"
TABLES = "tables"


def render(title: str, parts: Sequence[Part], names: dict[tuple[int, str], str]) -> str:
    """The whole page. `names` gives the files' name of each table, by part and table name."""
    return (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            parts=parts,
            names=names,
            style=Markup(_read("style.css")),
            generator=GENERATOR,
            version=__version__,
            wide=WIDE,
            huge=HUGE,
            tables=TABLES,
        )
    )


@cache
def environment() -> Environment:
    """Everything is escaped, and a name that is not there is an error."""
    from jinja2 import FunctionLoader

    out = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_read),
    )
    out.filters["inline_svg"] = _inline
    return out


def _inline(data: bytes, prefix: str, where: str) -> tuple[Markup, float]:
    text, width = inline(data, prefix, where)
    return Markup(text), width


def _read(name: str) -> str:
    return files("readsim.report").joinpath(name).read_text(encoding="utf-8")
