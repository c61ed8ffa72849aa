"""`hwr calibrate`: fits confidences to how often readings are right, on validation data."""

import argparse
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.commands.options import Parser, add_data_flags, run

_EXAMPLES = """examples:
  hwr calibrate --workdir=runs/words
  hwr calibrate --model=unipen_words --output=unipen_words.calibration.json
"""
_PARTS = {"text": "texts", "word": "words", "character": "characters"}


def main(argv: Sequence[str]) -> int:
    """Reads the validation split with each decoder, and finds what makes the confidence of a text, a word and a
    character the probability that it is right, and how many texts remain, with what CER, above each confidence. Writes
    calibration.json beside the model, where hwr read and hwr evaluate find it."""
    options = _parse(argv)

    from hwr_jax.calibrate import calibrate

    found = calibrate(
        options.model,
        options.data,
        options.output,
        decoder=options.decoder,
        checkpoint=options.checkpoint,
        data_dir=options.data_dir or "",
        workers=options.workers,
    )
    for label, fit in found.fits.items():
        for line in _describe(fit):
            print(f"{label:<16}{line}")
        if why := found.too_few.get(label):
            print(f"{label:<16}rough: too few validation samples ({why})")
    print(f"{'written':<16}{found.path}")
    return 0


def _describe(fit: Mapping[str, Any]) -> list[str]:
    return [
        f"{of['samples']:,} {what}, {of['right']:.0%} right: expected calibration error "
        f"{of['expected_calibration_error']:.3f}, {of['expected_calibration_error_before']:.3f} before, "
        f"{of['expected_calibration_error_by_chance']:.3f} by chance"
        for part, what in _PARTS.items()
        if (of := fit.get(part)) is not None
    ]


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="hwr calibrate", description=inspect.getdoc(main), epilog=_EXAMPLES)
    parser.add_model_flags()
    parser.add_argument("--data", metavar="NAME", help="of a data set (default: that of the model's training)")
    add_data_flags(parser)
    parser.add_argument(
        "--decoder",
        choices=("all", "greedy", "beam"),
        default="all",
        help="one alone, which is quicker; what the file has of the others stays (default all)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="default calibration.json beside the model")
    return parser.parse(argv)


if __name__ == "__main__":
    sys.exit(run("calibrate", main, sys.argv[1:]))
