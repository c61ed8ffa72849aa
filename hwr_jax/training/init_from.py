"""Fine-tuning: parameters of a trained model for a model with the same layers and other characters."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.model_config import ModelConfig
from hwr_jax.models.encoders import ParameterOf
from hwr_jax.models.recognizer import Recognizer, shapes_of
from hwr_jax.models.trained import TrainedModel
from hwr_jax.nested import flatten, unflatten
from hwr_jax.strict import build_dataclass, to_plain
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.load import load_model
from hwr_jax.training.workdir import has_checkpoints, write_json

INIT_FROM_FILE = "init_from.json"


@dataclasses.dataclass(frozen=True)
class CharacterChanges:
    """What became of the classes."""

    kept: str  # characters of both models: they keep the weights they have learnt
    new: str  # characters of the new model alone: they begin as in a new model
    dropped: str  # characters of the trained model alone

    def describe(self) -> str:
        """In one line."""
        parts = [f"{len(self.kept)} characters keep their weights"]
        for what, characters in (("new, initialised", self.new), ("no longer there", self.dropped)):
            if characters:
                parts.append(f"{len(characters)} {what}: {characters}")
        return "; ".join(parts)


@dataclasses.dataclass(frozen=True)
class Beginning:
    """The model that a run begins from."""

    name: str  # or path, as it was given
    model: TrainedModel

    anew: Sequence[str] = ()  # parameters that the run's model has in another shape, so that they begin as in a new one

    def settle(self, alphabet: Alphabet, workdir: Path | None, say: Callable[[str], None]) -> None:
        """Says what becomes of the characters, and writes it to the run's folder (None: another process keeps it)."""
        changes = compare_characters(self.model.alphabet, alphabet)
        if workdir is not None:
            write_init_from(workdir, self.name, changes)
        layers = f"; {', '.join(self.anew)} begins anew, as columns are put together otherwise" if self.anew else ""
        say(f"begins with the parameters of {self.model.name}: {changes.describe()}{layers}")

    def carry_over(self, fresh: Any, alphabet: Alphabet, parameter_of: ParameterOf) -> Any:
        """The run's first parameters, from those a new model begins with; see `carry_over`."""
        return carry_over(self.model.tree, self.model.alphabet, fresh, alphabet, parameter_of)


def load_beginning(init_from: str | None, workdir: Path, config: ModelConfig, encoder: Any = None) -> Beginning | None:
    """The model that a run begins from, None where it begins anew.

    It is `init_from`; None: as when the run was first started. `config` and `encoder` are the run's.

    Raises:
      InputError: there is no such model, its layers are others than the run's, or the run began from another.
    """
    name = find_init_from(workdir, init_from)
    if name is None:
        return None
    model = load_model(name)
    return Beginning(name, model, check_layers(name, model, config, encoder))


def check_layers(name: str, model: TrainedModel, config: ModelConfig, encoder: Any = None) -> list[str]:
    """The parameters that a run's model has in another shape than the one it is to begin from, named `name`.

    There are none but where `model.columns` alone is another: then the layer above the columns begins anew.

    Raises:
      InputError: the layers are others.
    """
    expected = shapes_of(Recognizer(config, model.alphabet.num_classes, encoder))
    found = {parameter: values.shape for parameter, values in flatten(model.tree, "/").items()}
    if found == expected:
        return []
    begun_from = build_dataclass(ModelConfig, model.config["model"], "model")
    theirs, ours = (flatten(to_plain(sizes), ".") for sizes in (begun_from, config))
    differing = [field for field in theirs if theirs[field] != ours[field] and field not in _OF_NO_SHAPE]
    mismatched = sorted(path for path in expected.keys() | found if expected.get(path) != found.get(path))
    if encoder is None and differing == ["columns"]:
        return mismatched
    fields = [f"model.{field} is {theirs[field]!r} there and {ours[field]!r} here" for field in differing]
    first = mismatched[0]
    shapes = (f"{first} is {found.get(first, 'missing')} there and {expected.get(first, 'missing')} here",)
    raise InputError(
        f"--init_from={name}: has other layers than this config: {', '.join(fields or shapes)}; "
        "leave --config out, and the config is made for that model, or give these fields the values they have there"
    )


# Fields of the model that are no part of its layers' shapes.
_OF_NO_SHAPE = ("alphabet", "width_px", "dropout", "lstm_dropout", "compute_dtype")


def find_init_from(workdir: Path, given: str | None) -> str | None:
    """The model that a run begins from: what --init_from says, or said when the run was first started.

    Raises InputError: the run began from another model, or init_from.json is damaged.
    """
    path = workdir / INIT_FROM_FILE
    started = has_checkpoints(workdir)
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["model"] if path.exists() else None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged; delete the workdir and start anew") from error
    if started and given is not None and given != before:
        raise InputError(
            f"--workdir={workdir}: holds a run that began from {before or 'nothing'}, not from {given}; "
            "use a new workdir"
        )
    return given or before


def write_init_from(workdir: Path, name: str, changes: CharacterChanges | None = None) -> None:
    """init_from.json: the model a run began from, and what became of its characters, if it has any."""
    write_json(workdir / INIT_FROM_FILE, {"model": name, **(dataclasses.asdict(changes) if changes else {})})


def carry_over(
    trained: Any, trained_alphabet: Alphabet, fresh: Any, alphabet: Alphabet, parameter_of: ParameterOf
) -> Any:
    """The new model's first parameters: those of the trained model, and fresh ones for new characters.

    Classes are the last axis of the layers that give them; a character's column there goes with the character, wherever
    it stands in the other alphabet. The unknown and the unused class and the blank keep theirs.

    Takes parameters and characters of the trained model and of the new one as it is initialised, of the same layers,
    and what says of a parameter whether classes are its last axis. What has another shape is fresh: see `check_layers`.
    """
    old = flatten(trained, "/")
    from_class, to_class = _matching_classes(trained_alphabet, alphabet)
    carried = {}
    for parameter, values in flatten(fresh, "/").items():
        carried[parameter] = np.asarray(old[parameter])
        if parameter_of(parameter).classes:
            carried[parameter] = np.array(values)
            carried[parameter][..., to_class] = np.asarray(old[parameter])[..., from_class]
        elif carried[parameter].shape != values.shape:
            carried[parameter] = np.asarray(values)
    return unflatten(carried, "/")


def blend(
    trained: Any, trained_alphabet: Alphabet, after: Any, alphabet: Alphabet, parameter_of: ParameterOf, share: float
) -> Any:
    """Parameters on the straight way from a trained model to what became of it in a further training.

    A mean of both models' parameters keeps most of what the one knew and of what the other has learnt (WiSE-FT:
    Wortsman et al., Robust fine-tuning of zero-shot models, 2022). What is there of new characters is taken as it is.

    Args:
      trained, trained_alphabet, alphabet, parameter_of: as of `carry_over`.
      after: the parameters after the training that began with those of `carry_over`, all of the same shapes.
      share: how far to go, from 0, the trained model, to 1.
    """
    old = flatten(trained, "/")
    from_class, to_class = _matching_classes(trained_alphabet, alphabet)
    blended = {}
    for parameter, values in flatten(after, "/").items():
        values, before = np.array(values), np.asarray(old[parameter])
        if parameter_of(parameter).classes:
            values[..., to_class] += (1 - share) * (before[..., from_class] - values[..., to_class])
        else:
            values += (1 - share) * (before - values)
        blended[parameter] = values
    return unflatten(blended, "/")


def compare_characters(trained: Alphabet, alphabet: Alphabet) -> CharacterChanges:
    """Which characters both alphabets have, and which only one of them."""
    return CharacterChanges(
        kept="".join(c for c in alphabet.characters if c in trained.characters),
        new=trained.outside(alphabet.characters),
        dropped=alphabet.outside(trained.characters),
    )


def _matching_classes(trained: Alphabet, alphabet: Alphabet) -> tuple[list[int], list[int]]:
    """Class ids in the trained and in the new model of what both have."""
    pairs = [(0, 0), (trained.num_classes - 2, alphabet.num_classes - 2), (trained.blank_id, alphabet.blank_id)]
    pairs += [
        (trained.characters.index(character) + 1, place)
        for place, character in enumerate(alphabet.characters, start=1)
        if character in trained.characters
    ]
    return [old for old, _ in pairs], [new for _, new in pairs]
