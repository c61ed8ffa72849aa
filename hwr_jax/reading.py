"""What a word or a line says: its text, how sure that is, and where its characters are."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Alternative:
    """A text that an image may say, and its probability by the decoder, 0 .. 1."""

    text: str
    probability: float


@dataclasses.dataclass(frozen=True)
class CharacterBox:
    """Where a character of the text is: left <= x < right in pixels of the image.

    Both are None where the text does not fit the frames.
    """

    character: str
    left: float | None
    right: float | None


@dataclasses.dataclass(frozen=True)
class Piece:
    """A word or a character of a text, and the probability that it is right, 0 .. 1."""

    text: str
    confidence: float


@dataclasses.dataclass(frozen=True)
class Reading:
    """What an image says.

    Attributes:
      text: the transcription, "" where there is none.
      confidence: the probability that it is right, 0 .. 1: as calibrated, see `hwr_jax.decoding.calibrated`, or where
        the model brings no calibration of the decoder, by the decoder.
      n_best: as many texts as asked for, or as the decoder has, the likeliest first, `text` included.
      boxes: one a character, where they were asked for. The borders are halfway between what the recognizer takes for
        neighbouring characters: they say where a character is, not how wide it is.
      words: what stands between white space in the text, where confidences were asked for. That a word is right is
        likelier than that all of the text is. Empty where the text does not fit the frames.
      characters: likewise all characters of the text, white space included. See `hwr_jax.decoding.posteriors`.
      problem: why there is no text, or None.
      looks_like_line: the ink is as wide as that of several words.
    """

    text: str
    confidence: float
    n_best: tuple[Alternative, ...] = ()
    boxes: tuple[CharacterBox, ...] = ()
    words: tuple[Piece, ...] = ()
    characters: tuple[Piece, ...] = ()
    problem: str | None = None
    looks_like_line: bool = False
