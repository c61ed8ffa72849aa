"""What synthetic writers write: English words, some with capitals and punctuation, and numbers."""

import functools
import importlib.resources

import numpy as np

# How many words of each length in a hundred, from 1 letter on: about as in running text, where short words are common,
# but with fewer of the very commonest, so that there is more to learn from each.
_LENGTH_SHARES = (1, 7, 13, 17, 16, 14, 12, 9, 6, 3, 2)
_NUMBER_SHARE = 0.04
_APOSTROPHE_SHARE = 0.04
_HYPHEN_SHARE = 0.02
_CAPITALISED_SHARE = 0.16
_UPPER_SHARE = 0.04
_PUNCTUATED_SHARE = 0.12
_ENDS = ".,.,.,!?"


@functools.cache
def load_words() -> tuple[str, ...]:
    """The English words shipped with the package, sorted; see english_words.LICENSE for their source and terms."""
    return tuple(importlib.resources.files("hwr_jax.ink").joinpath("english_words.txt").read_text().split())


def make_text(rng: np.random.Generator) -> str:
    """A word of 1 to 11 letters, or at times a number, two hyphenated words, a word with 's or a sign at its end.

    Its characters are all in IAM78; nearly all texts are of 2 to 9 characters and the longest of 13.
    """
    kind, case, end = rng.random(3).tolist()
    if kind < _NUMBER_SHARE:
        text = str(int(rng.integers(10 ** int(rng.integers(1, 5)))))
    elif kind < _NUMBER_SHARE + _HYPHEN_SHARE:
        text = f"{_pick_word(rng, 5)}-{_pick_word(rng, 5)}"
    else:
        apostrophe = kind > 1 - _APOSTROPHE_SHARE
        text = _pick(_by_length(apostrophe)[int(rng.integers(4, 9))], rng) if apostrophe else _pick_word(rng)
    if case < _CAPITALISED_SHARE:
        text = text[:1].upper() + text[1:]
    elif case > 1 - _UPPER_SHARE:
        text = text.upper()
    return text + _ENDS[int(rng.integers(len(_ENDS)))] if end < _PUNCTUATED_SHARE else text


def _pick_word(rng: np.random.Generator, most_letters: int = len(_LENGTH_SHARES)) -> str:
    shares = np.cumsum(_LENGTH_SHARES[:most_letters])
    length = 1 + int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))
    return "aI"[int(rng.integers(2))] if length == 1 else _pick(_by_length(False)[length], rng)


def _pick(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


@functools.cache
def _by_length(apostrophe: bool) -> dict[int, tuple[str, ...]]:
    """The words with or without an apostrophe, by their length."""
    by_length: dict[int, list[str]] = {}
    for word in load_words():
        if ("'" in word) == apostrophe:
            by_length.setdefault(len(word), []).append(word)
    return {length: tuple(words) for length, words in by_length.items()}
