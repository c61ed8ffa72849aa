"""`hwr tune-decoder`: finds a decoder's weights and temperature on validation data."""

import argparse
import dataclasses
import inspect
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.decoders import add_decoder_options, resolve_settings
from hwr_jax.commands.options import Parser, add_data_flags, json_path, run
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of
from hwr_jax.progress import ProgressLine

if TYPE_CHECKING:
    from hwr_jax.decoding.settings import DecoderSettings

# As `hwr_jax.evaluation.tune.OBJECTIVES` has them; named here so that --help does not wait for numpy.
OBJECTIVES = ("wer", "cer")

_EXAMPLES = """examples:
  hwr tune-decoder --workdir=runs/words --language_model=words.arpa.gz --lexicon=words.txt
  hwr tune-decoder --model=unipen_words --lexicon=words.txt --output=lexicon.json
  hwr tune-decoder --workdir=runs/words --decoder=greedy      (only the temperature of confidences)
"""


def main(argv: Sequence[str]) -> int:
    """Searches the weights of language model, text length and lexicon that make the fewest errors on the validation
    split, then the temperature that makes confidences the shares of right texts. Writes both to decoder.json beside
    the model, where --decoder=tuned finds them."""
    options = _parse(argv)

    import jax

    from hwr_jax.data.loading import settle_split
    from hwr_jax.data.mixture import rule_of
    from hwr_jax.data.splits import hash_of_ids
    from hwr_jax.decoding.settings import FILE_NAME, load_text_parts, save_settings
    from hwr_jax.evaluation.evaluate import read_all
    from hwr_jax.evaluation.tune import tune_decoder
    from hwr_jax.result import data_config, load_samples
    from hwr_jax.training.load import load_model, model_folder

    name = options.model
    folder = model_folder(name)
    path = options.output or (folder and folder / FILE_NAME)
    if path is None:
        raise InputError(f"--output: model {name!r} comes with the package; say where to write, such as decoder.json")
    model = load_model(name, options.checkpoint)
    settings = resolve_settings(options, name, model.alphabet)
    parts = load_text_parts(settings, model.alphabet)
    config = data_config(model, data_dir=options.data_dir, workers=options.workers)
    samples = load_samples(config, "validation", model)
    config = settle_split(config)
    if not len(samples):
        raise InputError(f"data {config.name!r}: no validation samples to tune on")
    with ProgressLine("read") as progress:
        log_probs_NxTxK, frames_N = read_all(model.log_probs, samples, lambda done: progress(done, len(samples)))
    devices = jax.local_devices()
    started = time.monotonic()
    with ProgressLine("weights tried") as progress:
        tuned = tune_decoder(
            settings,
            parts,
            model.alphabet,
            log_probs_NxTxK,
            frames_N,
            samples.texts,
            objective=options.objective,
            devices=devices if len(devices) > 1 else (),
            poll=lambda done: progress(done, None),
        )
    about = {
        "model": model.name,
        "data": config.name,
        "split": "validation",
        "split_rule": rule_of(config),
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
        (
            "validation",
            f"CER {100 * about['cer']:.2f} %, WER {100 * about['wer']:.2f} %, {count_of(about['samples'], 'sample')}",
        ),
        (
            "temperature",
            f"{settings.temperature:.3f}   expected calibration error {about['expected_calibration_error']:.4f}, "
            f"at temperature 1 {about['expected_calibration_error_at_1']:.4f}",
        ),
    ]
    return "\n".join(f"{name:<14}{value}" for name, value in rows)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="hwr tune-decoder", description=inspect.getdoc(main), epilog=_EXAMPLES)
    parser.add_model_flags()
    add_data_flags(parser)
    parser.add_argument("--objective", choices=OBJECTIVES, default="wer", help="what to make small (default wer)")
    parser.add_argument("--output", type=json_path, metavar="FILE.json", help="default decoder.json beside the model")
    add_decoder_options(parser, default="beam", temperature=False)
    return parser.parse(argv)


if __name__ == "__main__":
    sys.exit(run("tune-decoder", main, sys.argv[1:]))
