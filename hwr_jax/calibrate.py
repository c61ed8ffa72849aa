"""Calibrating a trained model: how sure of its readings it may be, found on validation data and kept beside it."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.data.batches import BATCH_SIZE
from hwr_jax.data.loading import load_split, settle_split
from hwr_jax.data.mixture import rule_of
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.data.splits import hash_of_ids
from hwr_jax.decoding.calibrated import FILE_NAME, read_fits, save_calibrations
from hwr_jax.decoding.settings import BEAM, GREEDY, ChosenDecoder, DecoderChoice, DecoderSettings, choose_decoder
from hwr_jax.errors import InputError
from hwr_jax.evaluation.calibrate import collect_outcomes, fit_all
from hwr_jax.ink.model_input import preprocessing_of
from hwr_jax.messages import count_of
from hwr_jax.models.parameter_files import fingerprint_parameters
from hwr_jax.models.trained import TrainedModel
from hwr_jax.progress import ProgressLine
from hwr_jax.result import data_config, load_samples
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.load import load_model, model_folder

SPLIT = "validation"
ALL = "all"


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """What a calibration found and wrote.

    Attributes:
      fits: decoder's label -> as `hwr_jax.evaluation.calibrate.describe_fit` gives it.
      too_few: decoder's label -> why its fit is rough, in a few words; without those that are not.
      path: of the file.
    """

    fits: Mapping[str, Mapping[str, Any]]
    too_few: Mapping[str, str]
    path: Path


def calibrate(
    model_or_workdir: str | os.PathLike[str],
    data: str | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    decoder: str = ALL,
    checkpoint: str = "best",
    data_dir: str | os.PathLike[str] = "",
    workers: int = 0,
) -> Calibrated:
    """Reads the validation split with each decoder that needs no file of the user's, and writes calibration.json, where
    all that reads with the model finds it. `hwr calibrate` is this call.

    Args:
      model_or_workdir: the name of a model that comes with the package, the folder of an exported one, or of a run.
      data: name of a data set, None: the one that the model was trained on.
      decoder: "all" of them, or "greedy" or "beam" alone, which is quicker; that beam is without what the package knows
        of English. What the file has of the others stays.
      output: the file; None: calibration.json beside the model, which a model of the package does not take.
      checkpoint: of a run, "best" or "latest".
      data_dir: holds prepared data; "": as the run, or the cache folder.
      workers: processes that read and preprocess, 0: one a core.

    Raises:
      InputError: no such model or data, or no validation samples.
      OSError: the file cannot be written.
    """
    name = os.fspath(model_or_workdir)
    folder = model_folder(name)
    path = Path(output) if output is not None else folder and folder / FILE_NAME
    if path is None:
        raise InputError(f"--output: model {name!r} comes with the package; say where to write {FILE_NAME}")
    model = load_model(name, checkpoint)
    config = data_config(model, data, data_dir, workers)
    samples = load_samples(config, SPLIT, model)
    config = settle_split(config)
    if not len(samples):
        raise InputError(f"data {config.name!r}: no validation samples to calibrate on")
    decoders = _decoders(model.alphabet, decoder)
    with ProgressLine("read") as progress:
        return _calibrate(model, samples, config, decoders, path, poll=lambda done: progress(done, len(samples)))


def calibrate_run(
    model: TrainedModel,
    config: ExperimentConfig,
    workdir: Path,
    *,
    say: Callable[[str], None],
    poll: Callable[[], None],
) -> Calibrated | None:
    """Calibrates greedy decoding of a run that has done its last step, the best checkpoint on the validation split.

    Where that is too small, `say` gets a line and confidences stay as they are: None. `poll` is called with every
    batch, and an exception it raises ends it before anything is written. Raises InputError if the data are no longer
    prepared, OSError if the file cannot be written.
    """
    path = workdir / FILE_NAME
    samples = load_split(config.data, SPLIT, preprocessing_of(config))
    decoders = [choose_decoder(GREEDY, model.alphabet)]
    size = config.data.evaluation_batch_size
    found = _calibrate(
        model, samples, config.data, decoders, path, batch_size=size, poll=lambda done: poll(), if_enough=True
    )
    if why := found.too_few.get(GREEDY):
        path.unlink(missing_ok=True)
        say(f"confidences are not calibrated: too few validation samples ({why})")
        return None
    error = found.fits[GREEDY]["text"]["expected_calibration_error"]
    say(f"calibrated on {count_of(samples, 'validation sample')}: expected calibration error {error:.3f}")
    return found


def _calibrate(
    model: TrainedModel,
    samples: PreprocessedSamples,
    config: DataConfig,
    decoders: list[ChosenDecoder],
    path: Path,
    *,
    batch_size: int = BATCH_SIZE,
    poll: Callable[[int], None],
    if_enough: bool = False,
) -> Calibrated:
    """With `if_enough` nothing is fitted and written where samples are too few for any of the decoders."""
    about = {
        "data": config.name,
        "split": SPLIT,
        "split_rule": rule_of(config),
        "samples": len(samples),
        "ids_hash": hash_of_ids(samples.ids),
    }
    by_label = {chosen.label: chosen.decoder for chosen in decoders}
    found = collect_outcomes(model.log_probs, model.alphabet, samples, by_label, batch_size=batch_size, poll=poll)
    too_few = {label: why for label, one in found.items() if (why := one.texts.too_few)}
    if if_enough and too_few:
        return Calibrated({}, too_few, path)
    fits = fit_all(found, about)
    fingerprint = fingerprint_parameters(model.tree)
    save_calibrations(path, fingerprint, {**_fits_of_others(path, fingerprint), **fits})
    return Calibrated(fits, too_few, path)


def _fits_of_others(path: Path, fingerprint: str) -> Mapping[str, Any]:
    """What the file has of these parameters; nothing where it is damaged, as it is written anew."""
    try:
        return read_fits(path, fingerprint)
    except InputError:
        return {}


def _decoders(alphabet: Alphabet, only: str) -> list[ChosenDecoder]:
    """Those that need no file of the user's, without a calibration."""
    chosen: dict[str, list[DecoderChoice]] = {
        GREEDY: [GREEDY],
        BEAM: [DecoderSettings(BEAM)],
        ALL: [GREEDY, DecoderSettings(BEAM), BEAM],
    }
    if only not in chosen:
        raise InputError(f"decoder {only!r}: is none of {', '.join(chosen)}")
    choices = [choose_decoder(choice, alphabet) for choice in chosen[only]]
    return list({chosen.label: chosen for chosen in choices}.values())
