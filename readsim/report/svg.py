"""SVG files as a part of a page: names of their own, colours of the page, nothing that runs or loads."""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from readsim.errors import ConfigError
from readsim.plots.style import (
    BLACK,
    BLUE,
    FAINT,
    GREEN,
    GREY,
    ORANGE,
    OWN,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
)

XLINK = "{http://www.w3.org/1999/xlink}href"
TAGS = frozenset(
    (
        *(
            "svg",
            "g",
            "defs",
            "clipPath",
            "use",
            "symbol",
            "marker",
            "mask",
            "pattern",
            "path",
            "rect",
        ),
        *("circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "image"),
        *("linearGradient", "radialGradient", "stop"),
    )
)

# The page's style sheet gives each of these two values, for light and for dark, and text a darker or
# lighter one than lines, so that it can be read.
COLOURS = {
    "#ffffff": "paper",
    BLACK: "ink",
    FAINT: "faint",
    GREY: "grey",
    PALE: "pale",
    "#e6e6e6": "grid",
    ORANGE: "orange",
    SKY: "sky",
    GREEN: "green",
    BLUE: "blue",
    VERMILION: "vermilion",
    PURPLE: "purple",
    YELLOW: "yellow",
}
NAMES = {colour.lower(): name for colour, name in COLOURS.items()}
FONT = "DejaVu Sans, Verdana, Geneva, sans-serif"  # equally wide


def inline(
    data: bytes, prefix: str, where: str, titles: Mapping[str, str] | None = None
) -> tuple[str, float]:
    """The markup of an `svg` element and its width in points; ids begin with `prefix`.

    A text that is a key of `titles` gets that title: the whole of a name that was shortened. Scripts, styles,
    links and whatever else is not drawing are left out. Raises ConfigError, naming `where`,
    for something that is no SVG.
    """
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ConfigError(f"{where}: not an SVG file ({error})") from error
    if _tag(root) != "svg":
        raise ConfigError(f"{where}: not an SVG file (its root is {_tag(root)!r})")
    width, height = (_length(root.get(name)) for name in ("width", "height"))
    box = root.get("viewBox", f"0 0 {width:g} {height:g}")
    if not re.fullmatch(r"[-\d. e+]+", box):
        raise ConfigError(f"{where}: viewBox is {box!r}, expected four numbers")
    drawn = _clean(root, prefix, False)
    assert drawn is not None  # svg is among TAGS
    for text in drawn.iter("text") if titles else ():
        if whole := (titles or {}).get((text.text or "").strip()):
            title = ElementTree.Element("title")
            title.text, title.tail, text.text = whole, text.text, None
            text.insert(0, title)
    drawn.attrib = {"viewBox": box}
    return ElementTree.tostring(drawn, encoding="unicode"), width or float(box.split()[2])


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _length(text: str | None) -> float:
    found = re.match(r"[\d.]+", text or "")
    return float(found[0]) if found else 0.0


def _clean(element: ElementTree.Element, prefix: str, in_text: bool) -> ElementTree.Element | None:
    """A copy without what is not drawing, or None."""
    tag = _tag(element)
    if tag not in TAGS:
        return None
    in_text = in_text or tag == "text"
    out = ElementTree.Element(tag)
    for name, value in element.attrib.items():
        key = "href" if name in (XLINK, "href") else name
        if (kept := _attribute(key, value, prefix, in_text)) is not None:
            out.set(key, kept)
    out.text = element.text if in_text else None
    for child in element:
        if (inner := _clean(child, prefix, in_text)) is not None:
            inner.tail = child.tail if in_text else "\n"
            out.append(inner)
    return out


def _attribute(name: str, value: str, prefix: str, in_text: bool) -> str | None:
    """The attribute's value on the page, or None for one that could run or load something."""
    if name.startswith(("{", "on", "xmlns", "class")) or ":" in name:
        return None
    if name == "id":
        return prefix + value
    if name == "href" and not value.startswith("#"):
        return value if value.startswith("data:image/png;base64,") else None
    if name == "href":
        return f"#{prefix}{value[1:]}"
    inner = re.sub(r"url\(\s*['\"]?#([^)'\"]*)['\"]?\s*\)", rf"url(#{prefix}\1)", value)
    plain = re.sub(r"url\(#[^)]*\)", "", inner)
    if re.search(r"url\(|@|\\|javascript:|expression|https?:|//", plain, flags=re.IGNORECASE):
        return None
    inner = re.sub(r"'DejaVu Sans'[^;\"]*", FONT, inner)
    return re.sub(r"#[0-9A-Fa-f]{6}\b", lambda m: _colour(m[0], in_text), inner)


def _colour(colour: str, in_text: bool) -> str:
    name = NAMES.get(colour.lower())
    if name is None:
        mixed = in_text and colour.upper() in OWN
        return f"color-mix(in srgb, {colour} 60%, var(--ink))" if mixed else colour
    return f"var(--{name}-text)" if in_text and name not in ("paper", "grid") else f"var(--{name})"
