"""`hwr export`: a model's parameters as a small folder, or as a file for Keras."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.main import run
from hwr_jax.commands.options import Parser

if TYPE_CHECKING:
    from hwr_jax.models.trained import TrainedModel

# What Keras must be given, as `hwr_jax.ink.fitting` makes it.
IMAGES = {
    "paper": "1 - grey / 255, so paper is 0 and ink 1; fitted in with its aspect ratio, paper all round",
    "keras": "grey / 255 as the Keras example makes them, black all round, the height axis reversed",
}

_EPILOG = """formats:
  npz     a folder of model.json and parameters.npz that `hwr read` and `hwr evaluate` take as --model
  keras   FILE.keras of plain layers, for the installed Keras and later ones: images [batch, width, height, 1] in,
          probabilities [batch, frames, classes] out. FILE.characters.txt beside it holds the characters of classes
          1, 2, 3 ...; class 0 is the unknown character, the last but one is unused, the last the blank. Needs Keras.
"""


def main(argv: Sequence[str]) -> int:
    """Writes a model in the format asked for."""
    parser = Parser(prog="hwr export", description=main.__doc__, epilog=_EPILOG)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--workdir", type=Path, help="the run's folder")
    which.add_argument("--model", metavar="NAME_OR_PATH", help="a shipped model, an exported folder or a workdir")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write, or FILE.keras")
    parser.add_argument("--format", choices=("npz", "keras"), default="npz", help="default npz")
    parser.add_argument("--checkpoint", choices=("best", "latest"), default="best", help="of a run (default best)")
    options = parser.parse_args(argv)

    from hwr_jax.training.load import load_model, load_run

    if options.workdir:
        model = load_run(options.workdir, options.checkpoint)
    else:
        model = load_model(options.model, options.checkpoint)
    print({"npz": _export_folder, "keras": _export_keras}[options.format](model, options))
    return 0


def _export_folder(model: "TrainedModel", options: argparse.Namespace) -> str:
    import dataclasses

    from hwr_jax.models.trained import save_exported
    from hwr_jax.training.load import run_environment

    about: dict[str, object] = {"checkpoint": model.name}
    if options.workdir:
        environment = run_environment(options.workdir)
        about = {name: environment.get(name) for name in ("git", "versions")} | about
    save_exported(dataclasses.replace(model, name=options.output.resolve().name), options.output, about)
    size = (options.output / "parameters.npz").stat().st_size
    return f"{options.output}: {model.parameters:,} parameters, {size / 1e6:.2f} MB, from {model.name}"


def _export_keras(model: "TrainedModel", options: argparse.Namespace) -> str:
    from hwr_jax.files import write_text
    from hwr_jax.models.keras_weights import save_keras

    save_keras(model, options.output)
    characters = options.output.with_suffix(".characters.txt")
    write_text(characters, model.alphabet.characters + "\n")
    size = options.output.stat().st_size
    frame = model.frame
    return (
        f"{options.output}: {model.parameters:,} parameters, {size / 1e6:.2f} MB, from {model.name}; images "
        f"[batch, {frame.width_px}, {frame.height_px}, 1], width first: {IMAGES[frame.fitting]}; "
        f"characters in {characters}"
    )


if __name__ == "__main__":
    sys.exit(run("export", main, sys.argv[1:]))
