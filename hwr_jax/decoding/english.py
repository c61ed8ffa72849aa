"""The English language model and word list that come with the package."""

import importlib.resources
import string
from pathlib import Path

from hwr_jax.text.alphabet import Alphabet

# Stands for the file of the package where a language model or a lexicon is named.
ENGLISH = "english"
_FOLDER = Path(str(importlib.resources.files("hwr_jax.decoding"))) / "english"
LANGUAGE_MODEL_FILE = _FOLDER / "characters.arpa.gz"
LEXICON_FILE = _FOLDER / "words.txt.gz"


def has_english_letters(alphabet: Alphabet) -> bool:
    """Whether the letters of an alphabet are those of English: all small ones, and none beside A-Z and a-z."""
    letters = {character for character in alphabet.characters if character.isalpha()}
    return set(string.ascii_lowercase) <= letters <= set(string.ascii_letters)
