"""Importing: a model trained with Keras becomes a run."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from hwr_jax.config import ExperimentConfig, ModelConfig, resolve_config
from hwr_jax.config_files import load_config_file
from hwr_jax.errors import InputError
from hwr_jax.models.keras_weights import Tree, load_keras_weights, sort_classes
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import build_trained
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import NAMED_ALPHABETS, Alphabet, resolve_alphabet
from hwr_jax.training.checkpoint import Checkpoints
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.state import TrainState, zero_totals
from hwr_jax.training.workdir import command_line, hold, write_environment, write_json, write_status

UNKNOWN = "[UNK]"


@dataclasses.dataclass(frozen=True)
class ImportedRun:
    """A run made of a Keras file."""

    config: ExperimentConfig  # of the run
    characters: str  # of its classes, in order
    parameters: int  # how many
    notes: tuple[str, ...]  # what the file does not tell or what was changed, for people


def import_keras(
    file: Path,
    alphabet: str,
    workdir: Path,
    *,
    preprocessing: str | None = None,
    width_px: int | None = None,
    config: ConfigDict | None = None,
) -> ImportedRun:
    """Writes a finished run of 0 steps with the weights of a Keras file as its checkpoint.

    Args:
      file: a .keras file, a .weights.h5 file, or the .h5 of Keras 2.
      alphabet: a name, the characters in the order of the model's classes, or a text file, see `read_characters`.
      preprocessing: how its images were preprocessed, "keras" or "word"; None: as the file says, else as the config,
        or "keras".
      width_px: of its images, where the file has weights alone; None: 128.
      config: by which the run is to be trained further; None: the published example's.

    Raises:
      InputError: the file is none of these, or of another model than the config; or the folder holds a run already.
    """
    _refuse_other_run(workdir)
    given = read_characters(alphabet)
    weights = load_keras_weights(file, width_px)
    try:
        tree, characters = sort_classes(weights.tree, given)
    except InputError as error:
        raise InputError(f"{file}: {error} (--alphabet={alphabet})") from error
    named = next((name for name, found in NAMED_ALPHABETS.items() if found == characters), characters)
    model = dataclasses.replace(weights.config, alphabet=named)
    if config is None:
        # The recipe of the Keras example as published.
        published = resolve_config(load_config_file("keras_example"))
        kind = preprocessing or weights.preprocessing or "keras"
        scale = weights.horizontal_scale if kind == weights.preprocessing else 1.0
        data = dataclasses.replace(published.data, preprocessing=kind, horizontal_scale=scale)
        resolved = dataclasses.replace(published, data=data, model=model)
    else:
        resolved = resolve_config(config)
        _check_same_model(resolved, model, file, alphabet, preprocessing or weights.preprocessing)
    with hold(workdir):
        _refuse_other_run(workdir)
        _write_run(workdir, file, resolved, characters, tree)
    notes = weights.notes
    if not (preprocessing or weights.preprocessing):
        kind = resolved.data.preprocessing
        note = f"the file does not say how its images were preprocessed, so they are taken to be {kind!r}"
        notes = (*notes, f"{note}; --preprocessing={'keras' if kind == 'word' else 'word'} if not")
    if characters != given:
        notes = (*notes, "the classes were put into the code point order of their characters")
    return ImportedRun(resolved, characters, sum(leaf.size for leaf in jax.tree.leaves(tree)), notes)


def read_characters(name_file_or_characters: str) -> str:
    """The characters of `--alphabet`, in the order given.

    A text file holds them in one line, or one a line; a first line [UNK] is passed over. Raises InputError: a text file
    is missing or not UTF-8; or it has several lines that are not one character each.
    """
    if name_file_or_characters in NAMED_ALPHABETS:
        return NAMED_ALPHABETS[name_file_or_characters]
    if not name_file_or_characters.endswith(".txt"):
        return name_file_or_characters
    where = f"--alphabet={name_file_or_characters}"
    try:
        text = Path(name_file_or_characters).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{where}: no such file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 text") from error
    lines = text.removesuffix("\n").split("\n")  # Not splitlines: an alphabet may hold rarer ends of lines.
    first = 2 if lines[0] == UNKNOWN else 1
    lines = lines[first - 1 :]
    for number, line in enumerate(lines, start=first):
        if len(lines) > 1 and len(line) != 1:
            wanted = "write all characters in one line, or one a line"
            raise InputError(f"{where}: line {number} is {line!r}; {wanted}")
    return "".join(lines)


def _refuse_other_run(workdir: Path) -> None:
    held = [name for name in ("config.json", "model.json", "checkpoints") if (workdir / name).exists()]
    if held:
        raise InputError(f"--workdir={workdir}: holds a run or a model already ({held[0]}); choose another")


def _check_same_model(
    config: ExperimentConfig, model: ModelConfig, file: Path, alphabet: str, preprocessing: str | None
) -> None:
    """The config may ask for other dropout than the model was trained with, but not for another model."""
    if preprocessing and preprocessing != config.data.preprocessing:
        raise InputError(
            f"--preprocessing={preprocessing}: the config says {config.data.preprocessing}; add "
            f"--config.data.preprocessing={preprocessing}"
        )
    for name in ("encoder", "height_px", "width_px", "conv_features", "dense_features", "lstm_features"):
        asked, found = getattr(config.model, name), getattr(model, name)
        if asked != found:
            flag = str(found).replace(" ", "")
            raise InputError(f"{file}: model.{name} is {found}, not {asked}; add --config.model.{name}={flag}")
    if resolve_alphabet(config.model.alphabet) != resolve_alphabet(model.alphabet):
        raise InputError(
            f"--alphabet={alphabet}: other characters than those of the config's model.alphabet; add "
            "--config.model.alphabet=CHARACTERS"
        )


def _write_run(workdir: Path, file: Path, config: ExperimentConfig, characters: str, tree: Tree) -> None:
    plain: dict[str, Any] = to_plain(config)
    parameters = build_trained(file.name, plain, characters, tree, str(file)).tree
    # The schedule has no part in the shape of the optimizer's state, so the number of steps need not be known.
    model = Recognizer(config.model, Alphabet(characters).num_classes)
    optimizer = build_optimizer(config.optimizer, 1, model.parameter)
    state = TrainState(jax.numpy.zeros((), jax.numpy.int32), parameters, optimizer.init(parameters), zero_totals())
    checkpoints = Checkpoints(workdir / "checkpoints")
    checkpoints.save(jax.device_get(state), {"config": plain, "alphabet": characters})
    checkpoints.close()
    write_json(workdir / "config.json", plain)
    write_environment(workdir, command_line(), [str(device) for device in jax.devices()])
    write_status(workdir, "done", step=0, message=f"imported from {file}")
