"""`hwr tune-decoder`: finds a decoder's weights and temperature on validation data."""

import argparse
import dataclasses
import inspect
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.decoders import add_decoder_options, resolve_settings
from hwr_jax.commands.options import Parser, run
from hwr_jax.errors import InputError
from hwr_jax.progress import ProgressLine

if TYPE_CHECKING:
    import numpy as np

    from hwr_jax.data.preprocessed import PreprocessedSamples
    from hwr_jax.decoding.settings import DecoderSettings
    from hwr_jax.models.trained import TrainedModel

BATCH_SIZE = 64
# As `hwr_jax.evaluation.tune.OBJECTIVES` has them; named here so that --help does not wait for numpy.
OBJECTIVES = ("wer", "cer")

_EXAMPLES = """examples:
  hwr tune-decoder --workdir=runs/words --language_model=words.arpa.gz --lexicon=words.txt
  hwr tune-decoder --model=unipen_words --lexicon=words.txt --output=lexicon.json
  hwr tune-decoder --workdir=runs/words --decoder=greedy       (the temperature of the confidences alone)
"""


def main(argv: Sequence[str]) -> int:
    """Searches the weights of language model, length and lexicon that read the validation split with the fewest errors,
    then the temperature under which confidences say best what is right. Writes both to decoder.json beside the model,
    where --decoder=tuned finds them."""
    options = _parse(argv)

    import jax

    from hwr_jax.data.splits import hash_of_ids
    from hwr_jax.decoding.settings import FILE_NAME, load_text_parts, save_settings
    from hwr_jax.evaluation.tune import tune_decoder
    from hwr_jax.training.load import load_model, model_folder

    name = str(options.workdir or options.model)
    folder = model_folder(name)
    path = options.output or (folder and folder / FILE_NAME)
    if path is None:
        raise InputError(f"--output: model {name!r} comes with the package; say where to write, such as decoder.json")
    model = load_model(name, options.checkpoint)
    settings = resolve_settings(options, name)
    parts = load_text_parts(settings, model.alphabet)
    samples, split_rule = _load_validation(options, model)
    with ProgressLine("read") as progress:
        log_probs_NxTxK = _read_all(model, samples, progress)
    devices = jax.local_devices()
    started = time.monotonic()
    with ProgressLine("weights tried") as progress:
        tuned = tune_decoder(
            settings,
            parts,
            model.alphabet,
            log_probs_NxTxK,
            samples.texts,
            objective=options.objective,
            devices=devices if len(devices) > 1 else (),
            poll=lambda done: progress(done, None),
        )
    about = {
        "model": model.name,
        "data": model.config["data"]["name"],
        "split": "validation",
        "split_rule": split_rule,
        "objective": options.objective,
        "ids_hash": hash_of_ids(samples.ids),
        **tuned.summary,
    }
    save_settings(path, tuned.settings, parts, about)
    print(_describe(tuned.settings, about, time.monotonic() - started))
    print(f"{'written':<14}{path}")
    return 0


def _describe(settings: "DecoderSettings", about: Mapping[str, Any], seconds: float) -> str:
    weights = dataclasses.asdict(settings.weights)
    shown = ", ".join(f"{name} {weights[name]:g}" for name in settings.weights_in_use)
    rows = [
        ("decoder", settings.label),
        ("weights", f"{shown or 'none'}   ({about['weights_tried']} tried in {seconds:.0f} s)"),
        ("validation", f"CER {100 * about['cer']:.2f} %, WER {100 * about['wer']:.2f} %, {about['samples']:,} samples"),
        (
            "temperature",
            f"{settings.temperature:.3f}   expected calibration error {about['expected_calibration_error']:.4f}, "
            f"at temperature 1 {about['expected_calibration_error_at_1']:.4f}",
        ),
    ]
    return "\n".join(f"{name:<14}{value}" for name, value in rows)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="hwr tune-decoder", description=inspect.getdoc(main), epilog=_EXAMPLES)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--workdir", type=Path, help="a run's folder")
    which.add_argument("--model", metavar="NAME_OR_PATH", help="a shipped model, an exported folder or a workdir")
    parser.add_argument("--checkpoint", choices=("best", "latest"), default="best", help="of a run (default best)")
    parser.add_argument("--data_dir", type=Path, help="holds prepared data (default: as the run, or the cache)")
    parser.add_argument("--objective", choices=OBJECTIVES, default="wer", help="what to make small (default wer)")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="default decoder.json beside the model")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    add_decoder_options(parser, default="beam", temperature=False)
    options = parser.parse_args(argv)
    if options.output and options.output.suffix != ".json":
        raise InputError(f"--output={options.output}: must end in .json")
    if options.workers < 1:
        raise InputError(f"--workers={options.workers}: must be at least 1")
    return options


def _load_validation(options: argparse.Namespace, model: "TrainedModel") -> "tuple[PreprocessedSamples, str]":
    """The validation split of the model's own data, and the name of the rule that made it."""
    from hwr_jax.config import DataConfig
    from hwr_jax.data.loading import ensure_prepared, load_split
    from hwr_jax.data.split_rules import rule_name
    from hwr_jax.strict import build_dataclass

    config = build_dataclass(DataConfig, model.config["data"], "data")
    data_dir = str(options.data_dir) if options.data_dir else config.data_dir
    config = dataclasses.replace(config, data_dir=data_dir, workers=options.workers)
    with ProgressLine(config.name) as progress:
        ensure_prepared(config, progress=progress)
    samples = load_split(config, "validation", model.preprocessing)
    if not len(samples):
        raise InputError(f"data {config.name!r}: no validation samples to tune on")
    return samples, rule_name(config.split)


def _read_all(model: "TrainedModel", samples: "PreprocessedSamples", progress: ProgressLine) -> "np.ndarray":
    import numpy as np

    from hwr_jax.ink.width import common_width
    from hwr_jax.models.padding import IMPOSSIBLE

    # All as long as the widest image, blank in the frames that a batch of narrower ones does not have.
    columns = common_width(samples.widths_N, model.preprocessing)
    log_probs_NxTxK = np.full(
        (len(samples), columns // model.stride_px, model.alphabet.num_classes), IMPOSSIBLE, np.float32
    )
    log_probs_NxTxK[:, :, -1] = 0
    for start in range(0, len(samples), BATCH_SIZE):
        read = model.log_probs(samples.images_NxHxW[start : start + BATCH_SIZE])
        log_probs_NxTxK[start : start + BATCH_SIZE, : read.shape[1]] = read
        progress(min(start + BATCH_SIZE, len(samples)), len(samples))
    return log_probs_NxTxK


if __name__ == "__main__":
    sys.exit(run("tune-decoder", main, sys.argv[1:]))
