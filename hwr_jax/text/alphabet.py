"""Characters to class ids and back, in the class layout of the Keras example."""

import dataclasses
import functools
import string
from collections.abc import Iterable

import numpy as np

from hwr_jax.errors import InputError

# The characters of IAM's word labels, in code point order: 78 of them, so the seed model has 81 classes.
IAM78 = "".join(sorted("!\"#&'()*+,-./:;?" + string.digits + string.ascii_letters))

NAMED_ALPHABETS = {"iam78": IAM78}


@dataclasses.dataclass(frozen=True)
class Alphabet:
    """An ordered set of characters.

    Class ids: 0 is unknown (never a target), 1 .. n are the characters, n + 1 is unused (the example's Dense has
    `len(vocabulary) + 2` outputs, where the vocabulary counts the unknown token), n + 2, the last, is the CTC blank.

    Attributes:
      characters: distinct characters in code point order.
    """

    characters: str

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
        """Class ids of `text`, int32 [len(text)].

        Raises:
          InputError: a character is not in the alphabet.
        """
        if outside := self.outside(text):
            raise InputError(f"label {text!r}: not in the alphabet: {' '.join(map(repr, outside))}")
        ids = _ids_of(self.characters)
        return np.array([ids[character] for character in text], dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of class ids; classes that stand for no character (unknown, unused, blank) give nothing."""
        return "".join(self.characters[i - 1] for i in ids if 1 <= i <= len(self.characters))


@functools.lru_cache(maxsize=16)
def _ids_of(characters: str) -> dict[str, int]:
    return {character: index for index, character in enumerate(characters, start=1)}


def resolve_alphabet(name_or_characters: str) -> Alphabet:
    """An alphabet by name ("iam78") or from the characters themselves, in any order.

    Raises:
      InputError: the string is empty.
    """
    characters = NAMED_ALPHABETS.get(name_or_characters, name_or_characters)
    return Alphabet("".join(sorted(set(characters))))
