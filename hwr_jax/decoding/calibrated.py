"""A decoder whose probabilities are those of being right, and the file beside a model that says how they become so."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.decoding.calibration import Calibration
from hwr_jax.decoding.decoder import Decoder, Hypothesis
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.strict import build_dataclass

FILE_NAME = "calibration.json"
FORMAT = 1


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
        first = float(self.calibration.apply(np.array([row[0].probability]))[0])
        left = 1 - row[0].probability
        factor = (1 - first) / left if left > 0 else 0.0
        # None is likelier than the first, whatever the calibration makes of that.
        others = [dataclasses.replace(one, probability=min(factor * one.probability, first)) for one in row[1:]]
        return (dataclasses.replace(row[0], probability=first), *others)


def save_calibrations(path: Path, parameters_sha256: str, fitted: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the calibrations of a model's decoders. Raises OSError.

    Args:
      parameters_sha256: of the model, see `hwr_jax.models.parameter_files.fingerprint_parameters`.
      fitted: decoder's label -> "slope", "intercept", and what they were fitted on.
    """
    values = {"format": FORMAT, "parameters_sha256": parameters_sha256, "decoders": fitted}
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def load_calibrations(path: Path, parameters_sha256: str) -> dict[str, Calibration]:
    """Decoder's label -> calibration; {} where the file is absent, or of other parameters.

    Raises InputError: it is damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}")
        if values["parameters_sha256"] != parameters_sha256:
            return {}
        return {
            label: build_dataclass(Calibration, {name: one[name] for name in ("slope", "intercept")}, str(path))
            for label, one in values["decoders"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged; delete it, or write it anew with hwr calibrate") from error
