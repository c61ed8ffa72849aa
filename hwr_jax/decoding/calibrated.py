"""A decoder whose probabilities are those of being right, and the file beside a model that says how they become so."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.decoding.calibration import Calibration
from hwr_jax.decoding.decoder import Decoder, Hypothesis
from hwr_jax.decoding.risk_coverage import RiskCurve, parse_curve
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.strict import build_dataclass

FILE_NAME = "calibration.json"
FORMAT = 2
# In the file beside the decoders' labels: the probability of greedy decoding's best path alone, which exported models
# are read with.
BEST_PATH = "best path"


@dataclasses.dataclass(frozen=True)
class Calibrations:
    """Those of a decoder, fitted on validation data."""

    text: Calibration  # of whole texts
    # Of the words and of the characters in them, see `hwr_jax.decoding.posteriors`; None: left as they are
    word: Calibration | None = None
    character: Calibration | None = None
    curve: RiskCurve | None = None  # of the texts with these confidences; None: not recorded


@dataclasses.dataclass(frozen=True)
class CalibratedDecoder:
    """Another decoder's hypotheses with calibrated probabilities."""

    decoder: Decoder  # whose probabilities are calibrated
    calibration: Calibration

    def decode(
        self, log_probs_BxTxK: np.ndarray, frames_B: np.ndarray | None = None, n_best: int = 1
    ) -> list[tuple[Hypothesis, ...]]:
        """As `Decoder.decode`. What the first hypothesis has not, the others have in the proportions they had."""
        return [self._calibrate(row) for row in self.decoder.decode(log_probs_BxTxK, frames_B, n_best)]

    def _calibrate(self, row: tuple[Hypothesis, ...]) -> tuple[Hypothesis, ...]:
        if not row:
            return row
        first = float(self.calibration.apply(np.array([row[0].probability]), np.array([len(row[0].text)]))[0])
        left = 1 - row[0].probability
        factor = (1 - first) / left if left > 0 else 0.0
        # None is likelier than the first, whatever the calibration makes of that.
        others = [dataclasses.replace(one, probability=min(factor * one.probability, first)) for one in row[1:]]
        return (dataclasses.replace(row[0], probability=first), *others)


def save_calibrations(path: Path, parameters_sha256: str, fitted: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the calibrations of a model's decoders. Raises OSError.

    Args:
      parameters_sha256: of the model, see `hwr_jax.models.parameter_files.fingerprint_parameters`.
      fitted: decoder's label -> as `hwr_jax.evaluation.calibrate.describe_fit` gives it.
    """
    values = {"format": FORMAT, "parameters_sha256": parameters_sha256, "decoders": fitted}
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def load_calibrations(path: Path, parameters_sha256: str) -> dict[str, Calibrations]:
    """Decoder's label -> calibrations; {} where the file is absent, or of other parameters.

    Raises InputError: it is damaged.
    """
    try:
        return {label: calibrations_of(one) for label, one in read_fits(path, parameters_sha256).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(_damaged(path)) from error


def read_fits(path: Path, parameters_sha256: str) -> dict[str, Any]:
    """Decoder's label -> all that is recorded of its fit; else as `load_calibrations`."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] not in (1, FORMAT):
            raise ValueError(f"format {values['format']}")
        if values["parameters_sha256"] != parameters_sha256:
            return {}
        fits = dict(values["decoders"].items())
        if values["format"] == 1:  # Greedy decoding's probability was that of the best path.
            fits = {
                BEST_PATH if label == "greedy" else label: {"text": _of_format_1(one)} for label, one in fits.items()
            }
        return fits
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(_damaged(path)) from error


def calibrations_of(fit: Mapping[str, Any]) -> Calibrations:
    """The calibrations of a fit, as `hwr_jax.evaluation.calibrate.describe_fit` gives it.

    Raises KeyError, TypeError, ValueError or InputError: it is none.
    """
    parts = {
        part: build_dataclass(Calibration, {name: value for name, value in fit[part].items() if name in _NUMBERS}, part)
        for part in ("text", "word", "character")
        if fit.get(part) is not None
    }
    curve = parse_curve(fit["risk_coverage"]["curve"]) if fit.get("risk_coverage") is not None else None
    return Calibrations(**parts, curve=curve)


def _of_format_1(fit: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fit[name] for name in ("slope", "intercept")}


_NUMBERS = {field.name for field in dataclasses.fields(Calibration)}


def _damaged(path: Path) -> str:
    return f"{path}: damaged; delete it, or write it anew with hwr calibrate"
