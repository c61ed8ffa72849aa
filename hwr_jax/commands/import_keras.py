"""`hwr import-keras`: a model trained with Keras becomes a run of ours."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.options import Parser, load_config, run
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.config import ExperimentConfig, ModelConfig
    from hwr_jax.models.keras_weights import Tree

_EPILOG = """The file is a .keras file, a .weights.h5 file or the .h5 of Keras 2. It holds the model of the example
"handwriting_recognizer" in whatever sizes, with or without the layer for the loss, whatever the layers' names. h5py
reads it, Keras is not needed.

The characters are those of the model's classes 1, 2, 3 ... in that order: class 0 is the unknown character, the last
but one is unused, the last the blank, as in the example. A text file holds them in one line, or one a line; a first
line [UNK] is passed over. The order matters: a model trained with a set of characters that was never sorted has its
own. Here they are put into code point order, and the weights with them, which changes no result.

The run is a finished one of 0 steps, with the published example's config (configs/keras_example.py). To train it
further by another recipe, name that recipe here and there, once to `hwr import-keras` and once to `hwr train`:
  hwr import-keras model.keras --alphabet=iam78 --workdir=runs/keras --config=FILE.py [--config.a.b=VALUE ...]
  hwr train --workdir=runs/keras --config=FILE.py [--config.a.b=VALUE ...]
"""

UNKNOWN = "[UNK]"


def main(argv: Sequence[str]) -> int:
    """Writes a run's folder with the file's weights as its checkpoint of step 0."""
    parser = _parser()
    if any(arg in ("-h", "--help") for arg in argv):
        parser.print_help()
        return 0
    config_dict = None
    if any(arg.startswith("--config") for arg in argv):
        config_dict, argv = load_config(argv)
    options = parser.parse_args(argv)

    from hwr_jax.config import resolve_config
    from hwr_jax.models.keras_weights import load_keras_weights, sort_classes
    from hwr_jax.training.workdir import hold

    _refuse_other_run(options.workdir)
    given = read_characters(options.alphabet)
    weights = load_keras_weights(options.file, options.width_px)
    try:
        tree, characters = sort_classes(weights.tree, given)
    except InputError as error:
        raise InputError(f"{options.file}: {error} (--alphabet={options.alphabet})") from error
    model_config = dataclasses.replace(weights.config, alphabet=_alphabet_field(characters))
    if config_dict is None:
        config = published_config(model_config, options.preprocessing or "keras")
    else:
        config = resolve_config(config_dict)
        _check_same_model(config, model_config, options)
    with hold(options.workdir):
        _refuse_other_run(options.workdir)
        _write_run(options, config, characters, tree)
    for note in weights.notes:
        print(f"hwr import-keras: {note}", file=sys.stderr)
    if characters != given:
        print("hwr import-keras: the classes were put into the code point order of their characters", file=sys.stderr)
    _describe(options, config, characters, sum(array.size for layer in tree.values() for array in layer.values()))
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="hwr import-keras",
        description="A model trained with Keras becomes a run that `hwr read`, `evaluate`, `export` and `train` take.",
        usage="hwr import-keras FILE --alphabet=iam78|CHARACTERS|FILE.txt --workdir=DIR [--preprocessing=keras|word]\n"
        "                        [--width_px=N] [--config=FILE.py[:arg] [--config.a.b=VALUE ...]]",
        epilog=_EPILOG,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what Keras saved")
    parser.add_argument(
        "--alphabet", required=True, help="a name (iam78), the characters in the order of the classes, or a .txt file"
    )
    parser.add_argument("--workdir", type=Path, required=True, help="the folder to make")
    parser.add_argument(
        "--preprocessing",
        choices=("keras", "word"),
        help="how its images were preprocessed (default keras: as in the example, black padding and bilinear)",
    )
    parser.add_argument(
        "--width_px", type=int, metavar="N", help="width of its images, where the file has weights alone (default 128)"
    )
    return parser


def read_characters(name_file_or_characters: str) -> str:
    """The characters of `--alphabet`, in the order given.

    Raises:
      InputError: a text file is missing or not UTF-8; or it has several lines that are not one character each.
    """
    from hwr_jax.text.alphabet import NAMED_ALPHABETS

    if name_file_or_characters in NAMED_ALPHABETS:
        return NAMED_ALPHABETS[name_file_or_characters]
    if not name_file_or_characters.endswith(".txt"):
        return name_file_or_characters
    try:
        text = Path(name_file_or_characters).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"--alphabet={name_file_or_characters}: no such file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"--alphabet={name_file_or_characters}: not UTF-8 text") from error
    lines = text.removesuffix("\n").split("\n")  # Not splitlines: an alphabet may hold rarer ends of lines.
    first = 2 if lines[0] == UNKNOWN else 1
    lines = lines[first - 1 :]
    for number, line in enumerate(lines, start=first):
        if len(lines) > 1 and len(line) != 1:
            raise InputError(
                f"--alphabet={name_file_or_characters}: line {number} is {line!r}; write all characters in one line, "
                "or one a line"
            )
    return "".join(lines)


def published_config(model: "ModelConfig", kind: str) -> "ExperimentConfig":
    """The recipe of the Keras example as published, for another model (as configs/keras_example.py)."""
    from hwr_jax.config import DataConfig, ExperimentConfig, ObjectiveConfig, OptimizerConfig, TrainingConfig

    return ExperimentConfig(
        data=DataConfig(
            name="iam_words", split="keras_example", last_token_labels=True, preprocessing=kind, reshuffle=False
        ),
        model=model,
        objective=ObjectiveConfig(loss="keras_ctc"),
        optimizer=OptimizerConfig(name="keras_adam", learning_rate=1e-3, schedule="constant", epsilon=1e-7),
        training=TrainingConfig(epochs=10.0, log_every_steps=100, evaluate_every_steps=1000, example_metric=True),
    )


def _alphabet_field(characters: str) -> str:
    from hwr_jax.text.alphabet import NAMED_ALPHABETS

    return next((name for name, named in NAMED_ALPHABETS.items() if named == characters), characters)


def _refuse_other_run(workdir: Path) -> None:
    held = [name for name in ("config.json", "model.json", "checkpoints") if (workdir / name).exists()]
    if held:
        raise InputError(f"--workdir={workdir}: holds a run or a model already ({held[0]}); choose another")


def _check_same_model(config: "ExperimentConfig", model: "ModelConfig", options: argparse.Namespace) -> None:
    """The config may ask for other dropout than the model was trained with, but not for another model."""
    from hwr_jax.text.alphabet import resolve_alphabet

    if options.preprocessing and options.preprocessing != config.data.preprocessing:
        raise InputError(
            f"--preprocessing={options.preprocessing}: the config says {config.data.preprocessing}; add "
            f"--config.data.preprocessing={options.preprocessing}"
        )
    for name in ("encoder", "height_px", "width_px", "conv_features", "dense_features", "lstm_features"):
        asked, found = getattr(config.model, name), getattr(model, name)
        if asked != found:
            flag = str(found).replace(" ", "")
            raise InputError(f"{options.file}: model.{name} is {found}, not {asked}; add --config.model.{name}={flag}")
    if resolve_alphabet(config.model.alphabet) != resolve_alphabet(model.alphabet):
        raise InputError(
            f"--alphabet={options.alphabet}: other characters than those of the config's model.alphabet; add "
            "--config.model.alphabet=CHARACTERS"
        )


def _write_run(options: argparse.Namespace, config: "ExperimentConfig", characters: str, tree: "Tree") -> None:
    import jax

    from hwr_jax.models.recognizer import Recognizer
    from hwr_jax.models.trained import build_trained
    from hwr_jax.strict import to_plain
    from hwr_jax.text.alphabet import Alphabet
    from hwr_jax.training.checkpoint import Checkpoints
    from hwr_jax.training.optimizer import build_optimizer
    from hwr_jax.training.state import TrainState, zero_totals
    from hwr_jax.training.workdir import command_line, write_environment, write_json, write_status

    plain = to_plain(config)
    parameters = build_trained(options.file.name, plain, characters, tree, str(options.file)).tree
    # The schedule has no part in the shape of the optimizer's state, so the number of steps need not be known.
    model = Recognizer(config.model, Alphabet(characters).num_classes)
    optimizer = build_optimizer(config.optimizer, 1, model.parameter)
    state = TrainState(
        step=jax.numpy.zeros((), dtype=jax.numpy.int32),
        parameters=parameters,
        optimizer=optimizer.init(parameters),
        totals=zero_totals(),
    )
    checkpoints = Checkpoints(options.workdir / "checkpoints")
    checkpoints.save(jax.device_get(state), {"config": plain, "alphabet": characters})
    checkpoints.close()
    write_json(options.workdir / "config.json", plain)
    write_environment(options.workdir, command_line(), [str(device) for device in jax.devices()])
    write_status(options.workdir, "done", step=0, message=f"imported from {options.file}")


def _describe(options: argparse.Namespace, config: "ExperimentConfig", characters: str, parameters: int) -> None:
    model, workdir = config.model, options.workdir
    print(
        f"{workdir}: {parameters:,} parameters, {len(characters)} characters, images {model.width_px} x "
        f"{model.height_px} px preprocessed as {config.data.preprocessing!r}\n"
        f"Read images:  hwr read --model={workdir} IMAGE ...\n"
        f"Measure it:   hwr evaluate --workdir={workdir} --data=NAME --source=PATH --split=all\n"
        f"Pack it:      hwr export --workdir={workdir} --output=DIR"
    )


if __name__ == "__main__":
    sys.exit(run("import-keras", main, sys.argv[1:]))
