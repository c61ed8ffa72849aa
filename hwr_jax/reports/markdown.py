"""Pieces of Markdown."""

from collections.abc import Iterable, Sequence


def build_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """A table; the columns whose places are in `numbers` are set to the right."""
    rule = ["---:" if place in numbers else "---" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def code(text: str) -> str:
    """The text as it is, in a span of code that may stand in a table."""
    text = text.replace("|", "\\|")
    if "`" in text:
        return f"`` {text} ``"
    return f"`{text}`"


def character(text: str) -> str:
    """A character of a text that is read; "" is nothing."""
    return {"": "nothing", " ": "space"}.get(text) or code(text)
