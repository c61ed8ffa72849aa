"""Fine-tuning: parameters of a trained model for a model with the same layers and other characters."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.models.encoders import ParameterOf
from hwr_jax.nested import flatten, unflatten
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


def begin_from(
    init_from: str | None,
    alphabet: Alphabet,
    workdir: Path,
    parameter_of: ParameterOf,
    *,
    keep: bool,
    say: Callable[[str], None],
) -> Callable[[Any], Any] | None:
    """Returns what makes a run's first parameters from those a new model begins with; None leaves them.

    The model to begin from is `init_from`; None: as when the run was first started. `keep` says whether this process
    keeps the folder; `say` gets a line on what becomes of the characters. Raises InputError: there is no such model, or
    the run began from another.
    """
    name = find_init_from(workdir, init_from)
    if name is None:
        return None
    model = load_model(name)
    changes = compare_characters(model.alphabet, alphabet)
    if keep:
        write_init_from(workdir, name, changes)
    say(f"begins with the parameters of {model.name}: {changes.describe()}")
    return lambda fresh: carry_over(model.tree, model.alphabet, fresh, alphabet, name, parameter_of)


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
            f"--workdir {workdir}: holds a run that began from {before or 'nothing'}, not from {given}; "
            "use a new workdir"
        )
    return given or before


def write_init_from(workdir: Path, name: str, changes: CharacterChanges) -> None:
    """init_from.json: the model a run began from, and what became of its characters."""
    write_json(workdir / INIT_FROM_FILE, {"model": name, **dataclasses.asdict(changes)})


def carry_over(
    trained: Any, trained_alphabet: Alphabet, fresh: Any, alphabet: Alphabet, name: str, parameter_of: ParameterOf
) -> Any:
    """The new model's first parameters: those of the trained model, and fresh ones for new characters.

    Classes are the last axis of the layers that give them; a character's column there goes with the character, wherever
    it stands in the other alphabet. The unknown and the unused class and the blank keep theirs.

    Takes parameters and characters of the trained model and of the new one as it is initialised, the trained one's name
    for messages, and what says of a parameter whether classes are its last axis. Raises InputError: a layer is missing,
    or has another shape for another reason than its classes.
    """
    old, new = flatten(trained, "/"), flatten(fresh, "/")
    for parameter in sorted(old.keys() | new.keys()):
        shapes = [np.shape(part[parameter]) if parameter in part else None for part in (old, new)]
        # The number of classes may differ, and nothing else.
        compared = [shape and shape[:-1] for shape in shapes] if parameter_of(parameter).classes else shapes
        if None in shapes or compared[0] != compared[1]:
            found, asked = ("missing" if shape is None else str(shape) for shape in shapes)
            raise InputError(
                f"--init_from={name}: {parameter} is {found}, this config's model asks for {asked}; "
                "give the fields of model.* the values they have there"
            )
    from_class, to_class = _matching_classes(trained_alphabet, alphabet)
    carried = {}
    for parameter, values in new.items():
        source = np.asarray(old[parameter])
        if parameter_of(parameter).classes:
            values = np.array(values)
            values[..., to_class] = source[..., from_class]
            carried[parameter] = values
        else:
            carried[parameter] = source
    return unflatten(carried, "/")


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
