"""Tables written as lines."""

Pairs = tuple[tuple[str, str], ...]


def parse_rows(text: str) -> Pairs:
    """`left: right` a line."""
    lines = (line.partition(": ") for line in text.strip().splitlines())
    return tuple((left.strip(), right.strip()) for left, _, right in lines)


def groups(text: str) -> Pairs:
    """`right: left, left, ...` a line."""
    return tuple((left, right) for right, row in parse_rows(text) for left in row.split(", "))
