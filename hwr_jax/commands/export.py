"""`hwr export`: a model as a small folder, as a page, or in the formats of others."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.decoders import add_parts_option
from hwr_jax.commands.options import Parser, run
from hwr_jax.errors import InputError

_EPILOG = """formats:
  npz          a folder of model.json and parameters.npz, which hwr read and evaluate take as
               --model, with the run's evaluations of this checkpoint and MODEL_CARD.md
  safetensors  the same with model.safetensors in place of parameters.npz. Needs safetensors.
  onnx         FILE.onnx, which says by itself how to read with it. Needs onnx.
               --quantize=float16 halves the file, int8 makes it a quarter.
  html         FILE.html, a page that reads handwriting in a browser, without any network:
               pen, finger, mouse and images. Weights are int8 unless --quantize says otherwise.
  stablehlo    a folder of reader.jax_export, for CPUs, CUDA GPUs and TPUs by jax alone, and
               about.json. Needs flatbuffers.
  keras        FILE.keras of plain Keras layers: images [batch, width, height, 1] in, probabilities
               [batch, frames, classes] out. FILE.characters.txt beside it holds the characters of
               classes 1, 2, 3 ...; class 0 is the unknown character, the last but one is unused,
               the last is the blank. Needs Keras.
A line finder, such as page_lines, is written as npz, safetensors, onnx or stablehlo.
"""


def main(argv: Sequence[str]) -> int:
    """Writes a model as a small folder, as a page, or in the formats of others."""
    parser = Parser(prog="hwr export", description=main.__doc__, epilog=_EPILOG)
    parser.add_model_flags()
    add_parts_option(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="the folder or file to write")
    formats = ("npz", "safetensors", "onnx", "html", "stablehlo", "keras")
    parser.add_argument("--format", choices=formats, default="npz", help="default npz")
    parser.add_argument(
        "--quantize",
        choices=("none", "float16", "int8"),
        help="what weights are kept as (default: onnx none, which is float32; html int8)",
    )
    parser.add_argument(
        "--licence", default="", metavar="TEXT", help="note on the training data (default: what is known)"
    )
    options = parser.parse(argv)

    if options.quantize not in (None, "none") and options.format not in ("onnx", "html"):
        raise InputError(f"--quantize={options.quantize}: only --format=onnx and html keep weights otherwise")
    from hwr_jax.export import export_folder, export_html, export_keras, export_onnx, export_stablehlo

    known = {"checkpoint": options.checkpoint, "parts": options.parts, "licence": options.licence}
    if options.format == "keras":
        done = export_keras(options.model, options.output, **known)
    elif options.format == "onnx":
        done = export_onnx(options.model, options.output, **known, quantize=options.quantize or "none")
    elif options.format == "html":
        done = export_html(options.model, options.output, **known, quantize=options.quantize or "int8")
    elif options.format == "stablehlo":
        done = export_stablehlo(options.model, options.output, **known)
    else:
        done = export_folder(options.model, options.output, **known, format=options.format)
    size = f"{done.model.parameters:,} parameters, {done.file_bytes / 1e6:.2f} MB, from {done.model.name}"
    separator = ", " if options.format in ("npz", "safetensors") else "; "
    print(f"{options.output}: {size}" + (f"{separator}{done.notes}" if done.notes else ""))
    return 0


if __name__ == "__main__":
    sys.exit(run("export", main, sys.argv[1:]))
