"""`hwr calibrate`: fits confidences to how often readings are right, on validation data."""

import argparse
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import Parser, add_data_flags, run
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of
from hwr_jax.progress import ProgressLine

if TYPE_CHECKING:
    from hwr_jax.decoding.settings import ChosenDecoder

_EXAMPLES = """examples:
  hwr calibrate --workdir=runs/words
  hwr calibrate --model=unipen_words --output=unipen_words.calibration.json
"""


def main(argv: Sequence[str]) -> int:
    """Reads the validation split with each decoder, and finds what makes the confidence of a reading the probability
    that all of its text is right. Writes calibration.json beside the model, where hwr read and hwr evaluate find it."""
    options = _parse(argv)

    import dataclasses

    import numpy as np

    from hwr_jax.data.loading import settle_split
    from hwr_jax.data.mixture import rule_of
    from hwr_jax.data.splits import hash_of_ids
    from hwr_jax.decoding.calibrated import FILE_NAME, save_calibrations
    from hwr_jax.decoding.calibration import expected_calibration_error, fit_calibration
    from hwr_jax.evaluation.evaluate import read_all
    from hwr_jax.models.parameter_files import fingerprint_parameters
    from hwr_jax.result import data_config, load_samples
    from hwr_jax.training.load import load_model, model_folder

    folder = model_folder(options.model)
    path = options.output or (folder and folder / FILE_NAME)
    if path is None:
        raise InputError(f"--output: model {options.model!r} comes with the package; say where to write {FILE_NAME}")
    model = load_model(options.model, options.checkpoint)
    config = data_config(model, options.data, options.data_dir, options.workers)
    samples = load_samples(config, "validation", model)
    config = settle_split(config)
    if not len(samples):
        raise InputError(f"data {config.name!r}: no validation samples to calibrate on")
    about = {
        "data": config.name,
        "split": "validation",
        "split_rule": rule_of(config),
        "samples": len(samples),
        "ids_hash": hash_of_ids(samples.ids),
    }
    with ProgressLine("read") as progress:
        log_probs_NxTxK, frames_N = read_all(model.log_probs, samples, lambda done: progress(done, len(samples)))
    fitted: dict[str, Mapping[str, Any]] = {}
    for chosen in _decoders(model.alphabet):
        found = chosen.decoder.decode(log_probs_NxTxK, frames_N)
        confidences_N = np.array([row[0].probability if row else 0.0 for row in found])
        readings = [row[0].text if row else "" for row in found]
        correct_N = np.array([truth == reading for truth, reading in zip(samples.texts, readings, strict=True)], bool)
        calibration = fit_calibration(confidences_N, correct_N)
        errors = [expected_calibration_error(p, correct_N) for p in (confidences_N, calibration.apply(confidences_N))]
        before, after = (float(error or 0) for error in errors)
        fitted[chosen.label] = {**dataclasses.asdict(calibration), **about, "expected_calibration_error": after}
        print(
            f"{chosen.label:<16}{count_of(samples, 'validation sample')}, {correct_N.mean():.0%} right: expected "
            f"calibration error {after:.3f}, {before:.3f} before"
        )
    save_calibrations(path, fingerprint_parameters(model.tree), fitted)
    print(f"{'written':<16}{path}")
    return 0


def _decoders(alphabet: Any) -> "list[ChosenDecoder]":
    """Those that need no file of the user's, without a calibration."""
    from hwr_jax.decoding.settings import BEAM, GREEDY, DecoderSettings, choose_decoder

    choices = [choose_decoder(choice, alphabet) for choice in (GREEDY, DecoderSettings(BEAM), BEAM)]
    return list({chosen.label: chosen for chosen in choices}.values())


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="hwr calibrate", description=inspect.getdoc(main), epilog=_EXAMPLES)
    parser.add_model_flags()
    parser.add_argument("--data", metavar="NAME", help="of a data set (default: that of the model's training)")
    add_data_flags(parser)
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="default calibration.json beside the model")
    return parser.parse(argv)


if __name__ == "__main__":
    sys.exit(run("calibrate", main, sys.argv[1:]))
