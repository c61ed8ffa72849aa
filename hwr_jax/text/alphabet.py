"""Characters to class ids and back, in the class layout of the Keras example."""

import dataclasses
import difflib
import functools
import re
import string
from collections.abc import Iterable

import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.text.direction import to_logical, to_visual

# The characters of IAM's word labels, in code point order: 78 of them, so the seed model has 81 classes.
IAM78 = "".join(sorted("!\"#&'()*+,-./:;?" + string.digits + string.ascii_letters))

# What the printable part of Windows-1252 has, which is ISO 8859-1 and 8859-15 with typographic marks; no no-break space
# and no soft hyphen, which look like others.
LATIN1_EUROPEAN = "".join(
    sorted(
        string.digits
        + string.ascii_letters
        + string.punctuation
        + " "
        + "".join(chr(code) for code in range(0xA1, 0x100) if code != 0xAD)
        + "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
    )
)

# iam79 is iam78 with the space, for lines.
NAMED_ALPHABETS = {"iam78": IAM78, "iam79": "".join(sorted(IAM78 + " ")), "latin1-european": LATIN1_EUROPEAN}

# Instead of a name: the characters of the training split; and those with all that the model knows one begins from.
FROM_TRAINING, UNION = "training", "union"
FROM_DATA = (FROM_TRAINING, UNION)

# Stands for a character outside the alphabet in a label that is trained on all the same: its class is 0, unknown.
UNKNOWN = "\ufffd"


@dataclasses.dataclass(frozen=True)
class Alphabet:
    """An ordered set of characters.

    Class ids: 0 is unknown (the target of `UNKNOWN` alone), 1 .. n are the characters, n + 1 is unused (the example's
    Dense has `len(vocabulary) + 2` outputs, where the vocabulary counts the unknown token), n + 2, the last, is the
    CTC blank.
    """

    characters: str  # distinct characters in code point order

    def __post_init__(self) -> None:
        if not self.characters:
            raise InputError("alphabet: no characters; name one (" + ", ".join(NAMED_ALPHABETS) + ") or list them")
        if list(self.characters) != sorted(set(self.characters)):
            raise InputError("alphabet: characters must be distinct and in code point order")

    @property
    def num_classes(self) -> int:
        return len(self.characters) + 3

    @property
    def blank_id(self) -> int:
        return self.num_classes - 1

    def outside(self, text: str) -> str:
        """The distinct characters of `text` that are not in the alphabet, in order of appearance ("" if none)."""
        return "".join(dict.fromkeys(c for c in text if c not in self.characters))

    def encode(self, text: str) -> np.ndarray:
        """Class ids of `text`, int32 [len(text)], as they follow from the left on paper; `UNKNOWN` is class 0.

        A right-to-left text is given in Unicode's order, first letter first: see `hwr_jax.text.direction`.

        Raises InputError: a character is not in the alphabet.
        """
        if outside := self.outside(text.replace(UNKNOWN, "")):
            raise InputError(f"label {text!r}: not in the alphabet: {' '.join(map(repr, outside))}")
        ids = _ids_of(self.characters)
        return np.array([ids.get(character, 0) for character in to_visual(text)], dtype=np.int32)

    def replace_outside(self, text: str) -> str:
        """The text with `UNKNOWN` in place of every character that is not in the alphabet."""
        return "".join(character if character in self.characters else UNKNOWN for character in text)

    def decode(self, ids: Iterable[int]) -> str:
        """The text that `encode` makes class ids of; classes that stand for no character (unknown, unused, blank) give
        nothing."""
        return to_logical("".join(self.characters[i - 1] for i in ids if 1 <= i <= len(self.characters)))[0]


@functools.lru_cache(maxsize=16)
def _ids_of(characters: str) -> dict[str, int]:
    return {character: index for index, character in enumerate(characters, start=1)}


def resolve_alphabet(name_or_characters: str) -> Alphabet:
    """An alphabet by name ("iam78", "iam79", "latin1-european") or from the characters themselves, in any order.

    Raises InputError: the string is empty, seems a name, or stands for characters that only the data know.
    """
    if name_or_characters in FROM_DATA:
        raise InputError(
            f"model.alphabet={name_or_characters!r}: stands for the characters of the training split, which only "
            "hwr train reads; name an alphabet or list the characters"
        )
    if name_or_characters not in NAMED_ALPHABETS and (names := _names_instead(name_or_characters)):
        raise InputError(
            f"model.alphabet={name_or_characters!r}: no such alphabet; {names} "
            f"To list these characters, give them in order: {''.join(sorted(set(name_or_characters)))}"
        )
    characters = NAMED_ALPHABETS.get(name_or_characters, name_or_characters)
    return Alphabet("".join(sorted(set(characters))))


def _names_instead(characters: str) -> str:
    """Which names there are instead of characters that look like one: not in order, as nobody writes a name."""
    if characters == "".join(sorted(set(characters))):
        return ""
    names = (*NAMED_ALPHABETS, *FROM_DATA)
    if near := sorted(difflib.get_close_matches(characters.lower(), names, cutoff=0.6)):
        return f"did you mean {' or '.join(near)}?"
    return f"the names are {', '.join(names)}." if re.fullmatch("[A-Za-z][a-z0-9_-]{2,19}", characters) else ""


def alphabet_of(texts: Iterable[str]) -> Alphabet:
    """The characters of the texts, sorted, also as they stand on paper. Raises InputError: there are none."""
    return Alphabet("".join(sorted({character for text in texts for character in text + to_visual(text)})))
