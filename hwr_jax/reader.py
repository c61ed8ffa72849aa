"""The reader: a trained model with a decoder, which reads images."""

import dataclasses
import functools
import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from hwr_jax.data.batches import BATCH_SIZE, PAGE_BATCH_SIZE
from hwr_jax.decoding.alignment import keep_characters, locate_frames, settle_characters, to_columns
from hwr_jax.decoding.calibrated import Calibrations
from hwr_jax.decoding.calibration import Calibration
from hwr_jax.decoding.decoder import RAN_OUT, Decoder, GreedyDecoder, Hypothesis
from hwr_jax.decoding.posteriors import PieceScores, score_words_and_characters, split_words
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.model_input import Preprocessing, measure_widths
from hwr_jax.ink.pen_input import check_strokes, draw_pen_input
from hwr_jax.ink.preprocessing import ink_columns, is_blank, place_image, preprocess
from hwr_jax.ink.text_rows import count_page_rows, looks_like_line
from hwr_jax.layout.image_kinds import PAGE, may_be_picture
from hwr_jax.layout.page import Page
from hwr_jax.layout.page_layout import PageLayout
from hwr_jax.messages import count_of
from hwr_jax.models.trained import TrainedModel
from hwr_jax.page_image_reader import FindsLines, read_layout
from hwr_jax.reading import Alternative, CharacterBox, Piece, Reading
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.direction import to_logical


@runtime_checkable
class OpenFile(Protocol):
    """A file opened for reading bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


# So many times as wide as high an image leaves a third of the rows that the longest lines have, and fewer.
_MOST_ASPECT = 90
BLANK = "blank: there is no ink in it"
ImageLike = str | os.PathLike[str] | bytes | np.ndarray | Image.Image | OpenFile


@runtime_checkable
class Model(Protocol):
    """What a `Reader` needs; `hwr_jax.models.trained.TrainedModel` has it."""

    @property
    def alphabet(self) -> Alphabet: ...

    @property
    def preprocessing(self) -> Preprocessing: ...

    @property
    def stride_px(self) -> int: ...

    @property
    def log_probs(self) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]: ...


class Reader:
    """A trained model with a decoder, which reads images of handwriting.

    ```
    reader = hwr_jax.load("unipen_words")
    for reading in reader.read(["a.png", "b.jpg"]):
        print(reading.text, reading.confidence)
    ```
    """

    def __init__(
        self,
        model: Model,
        decoder: Decoder | None = None,
        decoder_label: str = "",
        calibrations: Calibrations | None = None,
    ) -> None:
        """Takes what gives an image's log probabilities, and what makes texts of them (None: greedy) with its label.

        `calibrations` are those of words and characters, None leaves them as they are; a calibrated decoder's texts are
        calibrated by themselves.
        """
        self.model = model
        self.calibrations = calibrations
        self.decoder = decoder or GreedyDecoder(model.alphabet)
        self.decoder_label = decoder_label or type(self.decoder).__name__

    def __repr__(self) -> str:
        name, size = getattr(self.model, "name", type(self.model).__name__), self.model.preprocessing
        image = f"{size.kind} {size.height_px} x {size.width_px} px"
        characters = len(self.model.alphabet.characters)
        return f"Reader({name}, {image}, {characters} characters, {self.decoder_label})"

    def read(
        self,
        images: ImageLike | Iterable[ImageLike],
        n_best: int = 1,
        boxes: bool = False,
        confidences: bool = False,
        *,
        keep_going: bool = False,
        are_crops: bool = False,
    ) -> list[Reading]:
        """Reads one image or several, in order.

        A blank image, and one that looks like a page or a picture, gives a reading without text and with a `problem`.

        Args:
          images: each the path of an image file, the bytes of one, a file opened to read bytes, a uint8 array [H, W]
            (grey) or [H, W, 3 or 4] (RGB, RGBA), or a Pillow image. Dark on light and light on dark are both read;
            files and Pillow images are turned upright by their EXIF orientation.
          n_best: the most texts an image; greedy decoding knows one.
          boxes: whether to say where the characters are.
          confidences: whether to say how likely each word and each character is right.
          keep_going: whether an image that cannot be read gives a reading with a `problem`.
          are_crops: whether all are known to be words or lines, such as those cut out of a page.

        Returns:
          One reading an image, so for one alone a list of one.

        Raises:
          InputError: an image cannot be read, named by its path or its index in `images`.
        """
        if isinstance(images, str | bytes | os.PathLike | np.ndarray | Image.Image | OpenFile):
            images = [images]
        images = [*images]
        readings: list[Reading] = []
        for start in range(0, len(images), BATCH_SIZE):
            batch: dict[int, Reading] = {}
            opened: dict[Reader, dict[int, tuple[np.ndarray, np.ndarray]]] = {}
            for index, image in enumerate(images[start : start + BATCH_SIZE], start):
                name = os.fspath(image) if isinstance(image, str | os.PathLike) else f"image {index}"
                try:
                    grey_HxW = _grey(image, name)
                    reader = self.reader_of(grey_HxW)
                    preprocessed_HxW = preprocess(grey_HxW, reader.model.preprocessing)
                    opened.setdefault(reader, {})[index] = grey_HxW, preprocessed_HxW
                except InputError as error:
                    cause = str(error).removeprefix(f"{name}: ")
                    if not keep_going:
                        raise InputError(f"{name}: {cause}") from error
                    batch[index] = Reading("", 0.0, problem=cause)
            for reader, own in opened.items():
                greys, preprocessed = zip(*own.values(), strict=True)
                found = reader.read_preprocessed(np.stack(preprocessed), n_best, greys if boxes else None, confidences)
                found = found if are_crops else list(map(_look_again, found, greys))
                batch |= zip(own, found, strict=True)
            readings += [batch[index] for index in sorted(batch)]
        return readings

    def reader_of(self, grey_HxW: np.ndarray) -> "Reader":
        """The reader that reads an image, uint8: this one, whatever the image."""
        return self

    def read_page(
        self, image: ImageLike, *, finder: FindsLines | None = None, layout: PageLayout | None = None
    ) -> Page:
        """Reads the image of a page: finds its lines, and reads each. The model has to be one of lines.

        Args:
          image: as of `read`.
          finder: of lines; None: the package's own, see `hwr_jax.line_finder.load_line_finder`.
          layout: where the lines are, in place of what a finder would find.

        Returns:
          All lines that were found; no lines on a page without writing.

        Raises:
          InputError: the image cannot be read, or its size is not that of the layout.
        """
        name = os.fspath(image) if isinstance(image, str | os.PathLike) else "page"
        page_HxW = _grey(image, name)
        if layout is None:
            layout = (finder or self._finder).find(page_HxW)
        if (layout.height_px, layout.width_px) != page_HxW.shape:
            sizes = f"{page_HxW.shape[1]} x {page_HxW.shape[0]} px, not {layout.width_px} x {layout.height_px}"
            raise InputError(f"{name}: of another size than its layout says ({sizes})")
        return read_layout(self.reader_for(PAGE), page_HxW, layout)

    def reader_for(self, kind: str) -> "Reader":
        """The reader of words, of lines or of the lines of a page, see `hwr_jax.layout.image_kinds`.

        It is this one; for pages with smaller batches.
        """
        return self._of_pages if kind == PAGE else self

    @functools.cached_property
    def _finder(self) -> FindsLines:
        from hwr_jax.line_finder import load_line_finder  # Words and lines do without it.

        return load_line_finder()

    @functools.cached_property
    def _of_pages(self) -> "Reader":
        if not isinstance(self.model, TrainedModel):
            return self
        model = dataclasses.replace(self.model, batch_size=PAGE_BATCH_SIZE)
        return Reader(model, self.decoder, self.decoder_label, self.calibrations)

    def read_strokes(
        self,
        strokes: Any,
        n_best: int = 1,
        boxes: bool = False,
        confidences: bool = False,
        *,
        letter_height: float | None = None,
    ) -> Reading:
        """Reads the pen strokes of one word, or of one line with a model of lines.

        They are drawn as the images that models of pen strokes are trained on. `hwr_jax.ink.stroke_lines.group_lines`
        makes lines of the strokes of a page.

        Args:
          strokes: a sequence of the pen's paths between pen down and pen up, each a sequence or an array [n, 2] of
            points, x to the right and y down, in any unit; [n, 3] and more if pressure or time follow, which are not
            looked at. The same text reads the same at any size and place.
          n_best: as of `read`.
          boxes: as of `read`; in the unit of the strokes.
          confidences: as of `read`.
          letter_height: about that of the writer's small letters, in the unit of the strokes: a lone dash, dot or comma
            is then drawn as small as it is.

        Raises:
          InputError: no strokes, or strokes that cannot be drawn: which, and why.
        """
        grey_HxW, place = draw_pen_input(check_strokes(strokes), self.model.preprocessing.kind, letter_height)
        (reading,) = self.read(grey_HxW, n_best, boxes, confidences, are_crops=True)
        return dataclasses.replace(
            reading,
            looks_like_line=looks_like_line(grey_HxW),
            boxes=tuple(
                box
                if box.left is None or box.right is None
                else CharacterBox(box.character, *place.to_strokes(np.array([box.left, box.right])).tolist())
                for box in reading.boxes
            ),
        )

    def read_preprocessed(
        self,
        images_BxHxW: np.ndarray,
        n_best: int = 1,
        greys: Sequence[np.ndarray] | None = None,
        confidences: bool = False,
    ) -> list[Reading]:
        """Reads images as `hwr_jax.ink.preprocessing.preprocess` makes them, any number of them.

        They are uint8; `greys` is what they were made from, uint8 [H, W] each: with them the readings have boxes. There
        are at most `n_best` texts an image, and with `confidences` words and characters.
        """
        readings = []
        for start in range(0, len(images_BxHxW), BATCH_SIZE):
            part = images_BxHxW[start : start + BATCH_SIZE]
            log_probs_BxTxK, frames_B = self.model.log_probs(part, measure_widths(part, self.model.preprocessing))
            found = self.decoder.decode(log_probs_BxTxK, frames_B, n_best)
            of_batch = list(map(_reading, found))
            if greys is not None or confidences:
                frames_B = np.asarray(frames_B)
                alphabet = self.model.alphabet
                ids = [keep_characters(row[0].ids, alphabet.num_classes) if row else () for row in found]
                texts = ["".join(alphabet.characters[id - 1] for id in row) for row in ids]
                located = locate_frames(log_probs_BxTxK, ids, frames_B)
                if greys is not None:
                    boxes = self._locate(texts, located, greys[start : start + BATCH_SIZE])
                    of_batch = [dataclasses.replace(one, boxes=own) for one, own in zip(of_batch, boxes, strict=True)]
                if confidences:
                    scores = score_words_and_characters(log_probs_BxTxK, texts, ids, located, frames_B)
                    of_batch = [
                        one if frames_Lx2 is None else self._judge(one, text, pieces)
                        for one, text, pieces, frames_Lx2 in zip(of_batch, texts, scores, located, strict=True)
                    ]
            readings += of_batch
        return readings

    def _locate(
        self, texts: Sequence[str], located: Sequence[np.ndarray | None], greys: Sequence[np.ndarray]
    ) -> list[tuple[CharacterBox, ...]]:
        """Where the characters are, from texts as they stand on paper and the frames of their characters."""
        preprocessing = self.model.preprocessing
        boxes = []
        for text, frames_Lx2, grey_HxW in zip(texts, located, greys, strict=True):
            characters, order = to_logical(text)
            if frames_Lx2 is None:
                boxes.append(tuple(CharacterBox(character, None, None) for character in characters))
                continue
            height_px, width_px = grey_HxW.shape
            columns_Lx2 = to_columns(frames_Lx2, self.model.stride_px)
            seen_Lx2 = place_image(height_px, width_px, preprocessing).to_image(columns_Lx2)
            settled_Lx2 = settle_characters(seen_Lx2, ink_columns(grey_HxW) or (0.0, float(width_px)))
            columns = zip(characters, settled_Lx2[order].tolist(), strict=True)
            boxes.append(tuple(CharacterBox(character, left, right) for character, (left, right) in columns))
        return boxes

    def _judge(self, reading: Reading, text: str, scores: PieceScores) -> Reading:
        """The reading with the confidences of its words and characters, from its text as it stands on paper."""
        by = self.calibrations or Calibrations(Calibration(1.0, 0.0))
        lengths_W = np.array([end - begin for begin, end in scores.words])
        words_W = by.word.apply(scores.words_W, lengths_W) if by.word else scores.words_W
        characters_L = by.character.apply(scores.characters_L) if by.character else scores.characters_L
        # Where all of a text is right its words are, and where a word is right its characters.
        words_W = np.maximum(words_W, reading.confidence)
        at_least_L = np.full(len(text), reading.confidence)
        for word, (begin, end) in zip(words_W, scores.words, strict=True):
            at_least_L[begin:end] = word
        characters_L = np.maximum(characters_L, at_least_L)
        logical, order = to_logical(text)
        words = [Piece(logical[begin:end], float(at_least_L[order[begin]])) for begin, end in split_words(logical)]
        characters = zip(logical, characters_L[order].tolist(), strict=True)
        return dataclasses.replace(
            reading, words=tuple(words), characters=tuple(Piece(*character) for character in characters)
        )


def _reading(found: tuple[Hypothesis, ...]) -> Reading:
    if not found:
        return Reading("", 0.0, problem=RAN_OUT)
    n_best = tuple(Alternative(hypothesis.text, hypothesis.probability) for hypothesis in found)
    return Reading(n_best[0].text, n_best[0].probability, n_best)


def _look_again(reading: Reading, grey_HxW: np.ndarray) -> Reading:
    """The reading, unless the image is that of no word or line."""
    problem = _find_problem(grey_HxW)
    if problem is None:
        return dataclasses.replace(reading, looks_like_line=looks_like_line(grey_HxW))
    return Reading("", 0.0, problem=problem)


def _find_problem(grey_HxW: np.ndarray) -> str | None:
    """Why an image cannot be that of a word or a line."""
    rows = 0 if is_blank(grey_HxW) else count_page_rows(grey_HxW)
    if rows == 0:
        return BLANK
    if (times := grey_HxW.shape[1] // grey_HxW.shape[0]) >= _MOST_ASPECT:
        return f"{times} times as wide as high, which no word or line is; cut it to its writing"
    if may_be_picture(grey_HxW, rows):
        return "looks like a picture without writing; give images of words, lines or pages on paper"
    if rows is None:
        return None
    return f"looks like a page with {count_of(rows, 'line')}; read_page reads pages"


def _grey(image: ImageLike, name: str) -> np.ndarray:
    if isinstance(image, io.TextIOBase):
        raise InputError(f"{name}: a file opened as text; open it with open(PATH, 'rb')")
    if isinstance(image, OpenFile):
        image = image.read()
    if isinstance(image, str | os.PathLike):
        image = Path(image)
    if isinstance(image, np.ndarray):
        layers = image.shape[2] if image.ndim == 3 else 1
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or layers not in (1, 3, 4):
            raise InputError(f"{name}: array is {image.dtype} {list(image.shape)}, not uint8 [H, W] or [H, W, 3]")
        image = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.ndim == 3 and layers == 1 else image))
    return open_grey(image, name)
