"""Tables as Markdown, and numbers as people write them; what is not known is "-"."""

import re
from collections.abc import Iterable, Sequence

from hwr_jax.messages import count_of

ABSENT = "-"


def markdown_table(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table in Markdown, column names first; its cells are Markdown too. `right` has indices of columns, as above."""
    head, *body = rows
    rule = ["---:" if index in right else "---" for index in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body))


def escape_markdown(text: str) -> str:
    """The text on one line, shown as it is by Markdown, also in a table."""
    # An underscore inside a word is plain in Markdown.
    return " ".join(re.sub(r"[\\|*`<\[]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text).split())


def code(text: str) -> str:
    """The text as code in Markdown, also in a table."""
    text = text.replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def character(text: str) -> str:
    """A character of a confusion in Markdown; "" is nothing."""
    return {"": "nothing", " ": "space"}.get(text) or code(text)


def describe_writers(writers: int | None) -> str:
    """ "37 writers", or "unknown writers" for None."""
    return "unknown writers" if writers is None else count_of(writers, "writer")


def show_percent(rate: float | None) -> str:
    """ "15.84 %"."""
    return ABSENT if rate is None else f"{100 * rate:.2f} %"


def show_interval(interval: Sequence[float] | None) -> str:
    """ "12.61 - 19.60"."""
    return ABSENT if interval is None else f"{100 * interval[0]:.2f} - {100 * interval[1]:.2f}"


def show_rate(rate: float | None, interval: Sequence[float] | None = None) -> str:
    """ "15.84 % (12.61 - 19.60)"."""
    between = f" ({show_interval(interval)})" if interval and rate is not None else ""
    return show_percent(rate) + between


def show_number(value: int | float | None, form: str = ",.0f") -> str:
    """ "424,081"."""
    return ABSENT if value is None else f"{value:{form}}"


def show_bytes(size: int | None) -> str:
    """ "12 kB", "812 MB", "3.4 GB", of 1000 each."""
    if size is None:
        return ABSENT
    if size < 1e6:
        return f"{size / 1e3:,.0f} kB"
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def show_value(value: object) -> str:
    """A value of a config: 0.003, (32, 64), adam."""
    if isinstance(value, float):
        return f"{value:g}"
    return f"({', '.join(map(show_value, value))})" if isinstance(value, list) else str(value)
