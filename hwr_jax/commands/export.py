"""`hwr export`: a model's parameters as a small folder, or as a file for Keras."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import Parser, run

if TYPE_CHECKING:
    from hwr_jax.models.trained import TrainedModel

# What Keras must be given, as `hwr_jax.ink.preprocessing` makes it.
IMAGES = {
    "word": "1 - grey / 255, so paper is 0 and ink 1; preprocessed in with its aspect ratio, paper all round",
    "keras": "grey / 255 as the Keras example makes them, black all round, the height axis reversed",
}

_EPILOG = """formats:
  npz     a folder of model.json and parameters.npz that `hwr read` and `hwr evaluate` take as --model; with the numbers
          of the run's evaluations of this checkpoint, and MODEL_CARD.md, where there are such
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
    parser.add_argument(
        "--licence", metavar="TEXT", help="note on the data learnt from (default: what is known of them; npz only)"
    )
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
    from hwr_jax.training.load import model_folder
    from hwr_jax.zoo.data_terms import describe_terms
    from hwr_jax.zoo.model_records import PRETRAINED
    from hwr_jax.zoo.training_facts import gather_about

    source = options.workdir or model_folder(options.model) or PRETRAINED / options.model
    about = gather_about(source, model.name)
    data_names = about.get("trained_on") or [model.config["data"]["name"]]
    about["licence"] = options.licence or about.get("licence") or describe_terms(data_names)
    exported = dataclasses.replace(model, name=options.output.resolve().name)
    evaluations = _own_evaluations(source, model)
    save_exported(exported, options.output, about)
    told = _export_evaluations(exported, evaluations, options.output, about)
    size = (options.output / "parameters.npz").stat().st_size
    return f"{options.output}: {model.parameters:,} parameters, {size / 1e6:.2f} MB, from {model.name}{told}"


def _own_evaluations(source: Path, model: "TrainedModel") -> dict[str, Mapping[str, Any]]:
    """The evaluations of these very parameters that lie with a model."""
    from hwr_jax.evaluation.fingerprint import fingerprint_parameters
    from hwr_jax.zoo.model_records import is_exported, is_of, read_evaluations

    fingerprint = fingerprint_parameters(model.tree)
    found = read_evaluations(source if is_exported(source) else source / "evaluation")
    return {name: values for name, values in found.items() if is_of(values, fingerprint, (model.name,))}


def _export_evaluations(
    model: "TrainedModel", evaluations: Mapping[str, Mapping[str, Any]], folder: Path, about: Mapping[str, Any]
) -> str:
    """Writes numbers and card, no readings. Returns what to tell of it."""
    from hwr_jax.evaluation.fingerprint import fingerprint_parameters
    from hwr_jax.reports.write_card import describe_model, write_card
    from hwr_jax.training.workdir import write_json
    from hwr_jax.zoo.model_records import PRETRAINED

    if not evaluations:
        return ""
    fingerprint = fingerprint_parameters(model.tree)
    for name, values in evaluations.items():
        write_json(folder / name, {**values, "parameters_sha256": fingerprint})
    card = describe_model(
        model.name,
        model.config,
        model.alphabet,
        model.parameters,
        about,
        parameters_sha256=fingerprint,
        shipped=folder.resolve().parent == PRETRAINED,
    )
    write_card(folder, card, next(iter(evaluations)))
    return f", with {', '.join(evaluations)}"


def _export_keras(model: "TrainedModel", options: argparse.Namespace) -> str:
    from hwr_jax.files import write_text
    from hwr_jax.ink.model_input import describe_scale
    from hwr_jax.models.keras_weights import save_keras

    save_keras(model, options.output)
    characters = options.output.with_suffix(".characters.txt")
    write_text(characters, model.alphabet.characters + "\n")
    size = options.output.stat().st_size
    preprocessing = model.preprocessing
    return (
        f"{options.output}: {model.parameters:,} parameters, {size / 1e6:.2f} MB, from {model.name}; images "
        f"[batch, {preprocessing.width_px}, {preprocessing.height_px}, 1], width first: {IMAGES[preprocessing.kind]}"
        f"{describe_scale(preprocessing.horizontal_scale)}; "
        f"characters in {characters}"
    )


if __name__ == "__main__":
    sys.exit(run("export", main, sys.argv[1:]))
