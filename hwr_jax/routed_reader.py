"""Which reader reads an image: words have one of their own where the best model of lines is not the best of words."""

import functools
import os

import numpy as np

from hwr_jax.decoding.settings import BEAM, GREEDY, DecoderChoice
from hwr_jax.ink.text_rows import looks_like_line
from hwr_jax.layout.image_kinds import PAGE, WORD
from hwr_jax.reader import Reader
from hwr_jax.training.load import OwnParts, choose_model_decoder, load_model
from hwr_jax.zoo.model_records import LINES, PAGES, WORDS, choose_model, default_name, shipped_records


class RoutedReader(Reader):
    """Reads an image as a line where its ink is as wide as that of several words, and else as a word.

    It is the package's reader where no model is named. `model` and `decoder` are those of words.
    """

    def __init__(self, words: Reader, decoder: DecoderChoice) -> None:
        """Takes the reader of words, and the decoder of the package's model of lines, which is loaded when needed."""
        super().__init__(words.model, words.decoder, words.decoder_label, words.calibrations)
        self._decoder_choice = decoder

    @functools.cached_property
    def lines(self) -> Reader:
        """The reader of lines."""
        return load(default_name(LINES), self._decoder_choice)

    @functools.cached_property
    def pages(self) -> Reader:
        """The reader of the lines of pages."""
        records = shipped_records()
        of_lines, of_pages = (choose_model(records, what)[0].name for what in (LINES, PAGES))
        return self.lines if of_pages == of_lines else load(of_pages, self._decoder_choice)

    def reader_of(self, grey_HxW: np.ndarray) -> Reader:
        """The reader of lines for ink as wide as that of several words, see `looks_like_line`; else that of words."""
        return self.lines if looks_like_line(grey_HxW) else self

    def reader_for(self, kind: str) -> Reader:
        """The reader of words, of lines, or of the lines of a page."""
        if kind == WORD:
            return Reader(self.model, self.decoder, self.decoder_label, self.calibrations)
        return self.pages.reader_for(PAGE) if kind == PAGE else self.lines


def load(
    name_or_path: str | os.PathLike[str] | None = None,
    decoder: DecoderChoice = "greedy",
    parts: OwnParts = None,
) -> Reader:
    """A reader with a trained model.

    Args:
      name_or_path: the name of a model that comes with the package ("unipen_words"), the folder of an exported one, the
        workdir of a run, or the address of a hub's model ("hf://OWNER/NAME"), which is fetched; None: the package's
        model of words with the lowest recorded CER, and for images of lines its model of lines, see `RoutedReader`.
      decoder: "greedy", "beam", "tuned" (decoder.json in the model's folder), a file of settings (FILE.json),
        `DecoderSettings`, a name in the decoders of `parts`, or an object with `decode`.
      parts: with one's own encoder or decoders, or the config file that gives them; a run with an encoder of one's own
        needs those it was trained with.

    Raises:
      InputError: there is no such model or decoder, or a file of either is damaged.
    """
    name = os.fspath(name_or_path or default_name(WORDS))
    model = load_model(name, parts=parts)
    chosen = choose_model_decoder(decoder, name, model, parts)
    reader = Reader(model, chosen.decoder, chosen.label, chosen.calibrations)
    # Files of settings and decoders of one's own are made for one model.
    if name_or_path is None and (callable(decoder) or decoder in (GREEDY, BEAM)):
        return RoutedReader(reader, decoder)
    return reader
