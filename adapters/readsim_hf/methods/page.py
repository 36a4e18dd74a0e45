"""The catalogue as a page and as a figure: families in columns, their methods in boxes."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from readsim.tree_file import write_atomic
from readsim_hf.methods.method import FAMILIES, Method, objective_text
from readsim_hf.methods.table import METHODS, NEAREST

PAGE, FIGURE = "methods.md", "methods.svg"
_COLUMNS, _WIDTH, _LINE, _GAP, _LETTER = 4, 232, 20, 16, 6.4
_COLUMN_HEADS = (
    *("`--method`", "what is done", "in papers", "signal and objective", "needs"),
    "tokens in addition to the budget",
)
_HEAD = """# Methods of distillation

This page and its figure are written by `readsim models methods --write docs` from one table,
`readsim_hf/methods/table.py`. `readsim distill --method NAME` takes the name in the first column or
one that papers gave it, in any case; what is a command of its own says so. What may be combined with
what stands in [What can be combined](combinations.md).

A method has the settings of its row. With others it is named by its signal and its objective,
`--signal logit --objective 'gjsd(beta=0.1)' --on-policy 0.5` instead of `--method gkd`, where the settings of
the objective stand in brackets.

![The methods by family](methods.svg)
"""


def in_families(
    methods: Mapping[str, Method] = METHODS,
) -> dict[str, dict[str, Method]]:
    """Family -> its methods by name, in the table's order; families without any are left out."""
    found = {
        family: {name: method for name, method in methods.items() if method.family == family}
        for family in FAMILIES
    }
    return {family: of_it for family, of_it in found.items() if of_it}


def methods_page() -> str:
    """The catalogue in Markdown."""
    parts = [_HEAD]
    for family, of_it in in_families().items():
        lines = [
            f"\n## {family.capitalize()}\n",
            f"{FAMILIES[family].capitalize()}.\n",
            f"| {' | '.join(_COLUMN_HEADS)} |",
            "|---" * len(_COLUMN_HEADS) + "|",
        ]
        for name, method in of_it.items():
            papers = "; ".join(filter(None, (", ".join(method.names), method.source)))
            charges = ", ".join(f"`{kind}`" for kind in method.charges) or "none"
            lines.append(
                f"| `{method.command or name}` | {method.about} | {papers} | {_made_of(method)} "
                f"| {method.needs} | {charges} |"
            )
        parts.append("\n".join(lines) + "\n")
    parts.append("\n## Rows that differ from their papers\n\n")
    parts += [
        f"* **{name}**: {method.differs}.\n" for name, method in METHODS.items() if method.differs
    ]
    parts.append("\n## Papers that have no row\n\n")
    parts += [f"* **{name}**: {near}.\n" for name, near in NEAREST.items()]
    return "".join(parts)


def _made_of(method: Method) -> str:
    """Signal, objective, and what else the row sets."""
    if method.command:
        return "none"
    more = {"on_policy": f"{method.on_policy:g}"} if method.on_policy else {}
    more |= {f"sampling.{name}": f'"{value}"' for name, value in method.sampling.items()}
    told = [f"`{method.signal}`", f"`{objective_text(method)}`"]
    return ", ".join([*told, *(f"`{name} = {value}`" for name, value in more.items())])


def methods_map() -> str:
    """The catalogue as SVG: families fill the columns from the left, the shortest column first."""
    heights, boxes = [_GAP] * _COLUMNS, []
    for family, of_it in in_families().items():
        column = heights.index(min(heights))
        x, y = _GAP + column * (_WIDTH + _GAP), heights[column]
        rows = [escape(_cut(name, method)) for name, method in of_it.items()]
        tall = (len(rows) + 1) * _LINE + _GAP
        boxes.append(
            f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{tall}" rx="6" fill="#f4f6f8" '
            f'stroke="#8494a4"/>\n<text x="{x + 10}" y="{y + _LINE}" font-weight="bold">'
            f"{escape(family)}</text>\n"
            + "\n".join(
                f'<text x="{x + 10}" y="{y + (n + 2) * _LINE}">{row}</text>'
                for n, row in enumerate(rows)
            )
        )
        heights[column] = y + tall + _GAP
    size = (_COLUMNS * (_WIDTH + _GAP) + _GAP, max(heights))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif" font-size="12" role="img">\n'
        "<title>Methods of distillation by family</title>\n" + "\n".join(boxes) + "\n</svg>\n"
    )


def _cut(name: str, method: Method) -> str:
    """A method's name, with a paper's in brackets where both fit and differ."""
    if not method.names or method.names[0].casefold() == name.casefold():
        return name
    both = f"{name} ({method.names[0]})"
    return both if len(both) * _LETTER <= _WIDTH - 20 else name


def method_line(method: Method) -> str:
    """What is done, its names in papers, what it needs, and what it charges."""
    papers = f" ({', '.join(method.names)})" if method.names else ""
    kinds = ", ".join(method.charges) or "none"
    differs = f"; differs from its paper: {method.differs}" if method.differs else ""
    return f"{method.about}{papers}; needs {method.needs}; tokens: {kinds}{differs}"


def write_methods(folder: Path) -> None:
    """Both files, in a folder."""
    write_atomic(folder / PAGE, methods_page().encode())
    write_atomic(folder / FIGURE, methods_map().encode())
