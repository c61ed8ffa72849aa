"""What messages are made of: counted things, and the right word nearest to a wrong one. See docs/messages.md."""

import difflib
from collections.abc import Iterable, Sized


def count_of(things: int | Sized, noun: str) -> str:
    """ "1 writer", "2,037 writers"."""
    number = things if isinstance(things, int) else len(things)
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def suggest(word: str, right: Iterable[str], otherwise: str = "") -> str:
    """ "did you mean 'learning_rate'?" for a word like it, its beginning or its initials.

    Args:
      word: the wrong one.
      right: those that would be.
      otherwise: what is said if none is near, before them all; "": nothing.
    """
    choices = list(right)
    close = [choice for choice in choices if word and word == "".join(part[0] for part in choice.split("_") if part)]
    close = close or difflib.get_close_matches(word, choices, n=1, cutoff=0.65)
    close = close or [choice for choice in choices if len(word) > 2 and choice.startswith(word)]
    if close:
        return f"did you mean {close[0]!r}?"
    return otherwise and f"{otherwise} {', '.join(choices)}"


def describe_unread(error: Exception) -> str:
    """Why a text file could not be read, and what to do, without Python's own words."""
    if isinstance(error, UnicodeError):
        return "not UTF-8; save it as UTF-8 text"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
