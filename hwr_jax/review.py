"""Which readings to check: what keeps the promise of an error rate, and a page of all, the least certain first."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.decoding.alternatives import WithAlternatives
from hwr_jax.decoding.calibrated import Calibrations
from hwr_jax.decoding.decoder import BeamDecoder
from hwr_jax.decoding.risk_coverage import FEW_ACCEPTED
from hwr_jax.decoding.settings import GREEDY
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.reader import Reader, Reading
from hwr_jax.reports.review_page import ReviewItem, build_review_page, encode_image

# Texts beside a reading that the page offers: as many as have a key of their own.
ALTERNATIVES = 5
_BEAM_WIDTH = 8


@dataclasses.dataclass(frozen=True)
class Promise:
    """Readings whose CER is to be at most a given one, by a model's risk-coverage curve on its validation data."""

    cer: float  # wanted
    # the least confidence of what is accepted, None: nothing is, since no confidence kept the promise there
    confidence: float | None
    coverage: float  # which share of the validation texts was accepted so, and with which CER
    validation_cer: float | None

    def keeps(self, reading: Reading) -> bool:
        """Whether a reading is accepted."""
        return not reading.problem and self.confidence is not None and reading.confidence >= self.confidence

    def describe(self, accepted: int, readings: int) -> str:
        """A sentence on how many were accepted, and why these."""
        flag = f"--accept_cer={100 * self.cer:g}%"
        if self.confidence is None:
            return (
                f"{flag}: none of {readings} accepted: on the validation data the CER of the {FEW_ACCEPTED} texts of "
                "the highest confidence, and of any more, is higher"
            )
        return (
            f"{flag}: {accepted} of {readings} accepted, those with a confidence of at least {self.confidence:.3f}; on "
            f"the validation data these were {100 * self.coverage:.0f} % of the texts, with a CER of "
            f"{100 * (self.validation_cer or 0):.2f} %"
        )


def make_promise(calibrations: Calibrations | None, cer: float, decoder: str) -> Promise:
    """The promise by the curve of a decoder's calibrations; `decoder` is its label. InputError: there is no curve."""
    if calibrations is None or calibrations.curve is None:
        raise InputError(
            f"--accept_cer={100 * cer:g}%: cannot tell, as the model brings no risk-coverage curve of the decoder "
            f"{decoder}; hwr calibrate writes it into calibration.json"
        )
    least = calibrations.curve.least_confidence(cer)
    if least is None:
        return Promise(cer, None, 0.0, None)
    return Promise(cer, least, *calibrations.curve.at(least))


def with_alternatives(reader: Reader) -> Reader:
    """A reader that finds several texts: a greedy one gets those of a narrow beam."""
    if reader.decoder_label != GREEDY:
        return reader
    beam = BeamDecoder(reader.model.alphabet, width=_BEAM_WIDTH)
    decoder = WithAlternatives(reader.decoder, beam)
    return Reader(reader.model, decoder, reader.decoder_label, reader.calibrations)


class Review:
    """Collects readings, and writes the page."""

    def __init__(self, promise: Promise | None = None) -> None:
        """With a promise the readings are marked that keep it."""
        self.promise = promise
        self._items: list[ReviewItem] = []

    def add(self, name: str, reading: Reading, image_HxW: np.ndarray | None) -> None:
        """A reading with characters and alternatives; the image is uint8, None where there is none."""
        self._items.append(
            ReviewItem(
                name=name,
                text=reading.text,
                confidence=reading.confidence,
                characters=tuple((one.text, one.confidence) for one in reading.characters),
                alternatives=tuple(one.text for one in reading.n_best if one.text != reading.text)[:ALTERNATIVES],
                problem=reading.problem,
                accepted=self.promise is not None and self.promise.keeps(reading),
                image=encode_image(image_HxW) if image_HxW is not None else None,
            )
        )

    def write(self, path: Path, facts: Mapping[str, Any]) -> None:
        """The page, with facts for its heading. Raises OSError."""
        write_text(path, build_review_page(self._items, facts, self.describe()))

    def describe(self) -> str:
        """What the promise comes to; "" without one."""
        if self.promise is None:
            return ""
        return self.promise.describe(sum(one.accepted for one in self._items), len(self._items))
