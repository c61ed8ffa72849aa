"""`hwr export`: a model as a small folder, or as a file for Keras."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.options import Parser, run

_EPILOG = """formats:
  npz     a folder of model.json and parameters.npz, which hwr read and evaluate take as --model,
          with the run's evaluations of this checkpoint and MODEL_CARD.md
  keras   FILE.keras of plain Keras layers: images [batch, width, height, 1] in, probabilities
          [batch, frames, classes] out. FILE.characters.txt beside it holds the characters of
          classes 1, 2, 3 ...; class 0 is the unknown character, the last but one is unused, the
          last is the blank. Needs Keras.
"""


def main(argv: Sequence[str]) -> int:
    """Writes a model as a small folder, or as a file for Keras."""
    parser = Parser(prog="hwr export", description=main.__doc__, epilog=_EPILOG)
    parser.add_model_flags()
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="the folder to write, or FILE.keras")
    parser.add_argument("--format", choices=("npz", "keras"), default="npz", help="default npz")
    parser.add_argument(
        "--licence", default="", metavar="TEXT", help="note on the training data (npz; default: what is known of it)"
    )
    options = parser.parse(argv)

    from hwr_jax.export import export_folder, export_keras

    if options.format == "npz":
        done = export_folder(options.model, options.output, checkpoint=options.checkpoint, licence=options.licence)
    else:
        done = export_keras(options.model, options.output, checkpoint=options.checkpoint)
    size = f"{done.model.parameters:,} parameters, {done.file_bytes / 1e6:.2f} MB, from {done.model.name}"
    separator = ", " if options.format == "npz" else "; "
    print(f"{options.output}: {size}" + (f"{separator}{done.notes}" if done.notes else ""))
    return 0


if __name__ == "__main__":
    sys.exit(run("export", main, sys.argv[1:]))
