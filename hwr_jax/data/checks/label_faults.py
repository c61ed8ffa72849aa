"""What is odd about a transcription."""

import unicodedata

from hwr_jax.config import DataConfig
from hwr_jax.data.checks.kinds import CONTROL, EMPTY_LABEL, NOT_NFC, OUTSIDE, SPACES, TOO_LONG
from hwr_jax.data.labels import final_label, frames_needed
from hwr_jax.text.alphabet import Alphabet

_BROKEN = "\ufffd"


def find_label_faults(
    text: str, config: DataConfig, alphabet: Alphabet | None, frames: int
) -> tuple[tuple[str, str], ...]:
    """(kind, detail) of all that is odd about a label as it was parsed and as a run with this config has it.

    Without an alphabet, which may not be known yet, its characters are not looked at.
    """
    faults = []
    if text.split(" ") != text.split():
        faults.append((SPACES, repr(text)))
    if hidden := [c for c in dict.fromkeys(text) if is_hidden(c)]:
        faults.append((CONTROL, name_characters(hidden)))
    if not unicodedata.is_normalized("NFC", text):
        faults.append((NOT_NFC, name_characters([c for c in dict.fromkeys(text) if unicodedata.combining(c)])))
    label = final_label(unicodedata.normalize("NFC", text), config)
    if not label:
        faults.append((EMPTY_LABEL, repr(text)))
    if alphabet is not None and (outside := alphabet.outside(label)):
        faults.append((OUTSIDE, name_characters(outside)))
    if (needed := frames_needed(label)) > frames:
        faults.append((TOO_LONG, f"needs {needed} of {frames} frames"))
    return tuple(fault for fault in faults if fault[0] != SPACES or text.strip())


def is_hidden(character: str) -> bool:
    """Control, format, private and unassigned characters but white space; and U+FFFD."""
    broken = character == _BROKEN
    return broken or (unicodedata.category(character).startswith("C") and not character.isspace())


def name_characters(characters: "list[str] | str") -> str:
    """ "é U+00E9, U+200B", for people: what cannot be seen by its code alone."""
    return ", ".join(
        f"U+{ord(c):04X}" if is_hidden(c) or c.isspace() or unicodedata.combining(c) else f"{c} U+{ord(c):04X}"
        for c in characters
    )
