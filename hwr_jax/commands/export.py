"""`hwr export`: a model as a small folder, or as a file for Keras or ONNX."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.decoders import add_parts_option
from hwr_jax.commands.options import Parser, run
from hwr_jax.errors import InputError

_EPILOG = """formats:
  npz     a folder of model.json and parameters.npz, which hwr read and evaluate take as --model,
          with the run's evaluations of this checkpoint and MODEL_CARD.md
  keras   FILE.keras of plain Keras layers: images [batch, width, height, 1] in, probabilities
          [batch, frames, classes] out. FILE.characters.txt beside it holds the characters of
          classes 1, 2, 3 ...; class 0 is the unknown character, the last but one is unused, the
          last is the blank. Needs Keras.
  onnx    FILE.onnx, which says by itself how to read with it. Needs onnx.
          --quantize=float16 halves the file, int8 makes it a quarter.
"""


def main(argv: Sequence[str]) -> int:
    """Writes a model as a small folder, or as a file for Keras or ONNX."""
    parser = Parser(prog="hwr export", description=main.__doc__, epilog=_EPILOG)
    parser.add_model_flags()
    add_parts_option(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="the folder or file to write")
    parser.add_argument("--format", choices=("npz", "keras", "onnx"), default="npz", help="default npz")
    parser.add_argument(
        "--quantize",
        choices=("none", "float16", "int8"),
        default="none",
        help="what weights are kept as (onnx; default none: float32)",
    )
    parser.add_argument(
        "--licence", default="", metavar="TEXT", help="note on the training data (not keras; default: what is known)"
    )
    options = parser.parse(argv)

    if options.quantize != "none" and options.format != "onnx":
        raise InputError(f"--quantize={options.quantize}: only --format=onnx keeps weights otherwise")
    from hwr_jax.export import export_folder, export_keras, export_onnx

    export = {"npz": export_folder, "keras": export_keras, "onnx": export_onnx}[options.format]
    arguments = {"checkpoint": options.checkpoint, "parts": options.parts}
    arguments |= {"licence": options.licence} if options.format != "keras" else {}
    arguments |= {"quantize": options.quantize} if options.format == "onnx" else {}
    done = export(options.model, options.output, **arguments)
    size = f"{done.model.parameters:,} parameters, {done.file_bytes / 1e6:.2f} MB, from {done.model.name}"
    separator = ", " if options.format == "npz" else "; "
    print(f"{options.output}: {size}" + (f"{separator}{done.notes}" if done.notes else ""))
    return 0


if __name__ == "__main__":
    sys.exit(run("export", main, sys.argv[1:]))
