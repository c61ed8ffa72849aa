"""Model cards on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwr_jax.config import ModelConfig
from hwr_jax.files import write_text
from hwr_jax.models.recognizer import layer_table
from hwr_jax.reports.card import MARK, CardModel, build_card
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.zoo.model_records import CARD_FILE, is_of, read_evaluations


def describe_model(
    name: str,
    config: Mapping[str, Any],
    alphabet: Alphabet,
    parameters: int,
    about: Mapping[str, Any],
    *,
    parameters_sha256: str = "",
    shipped: bool = False,
) -> CardModel:
    """What a card says of a model.

    Args:
      name: of the model.
      config: of its experiment, plain values.
      alphabet: of its classes.
      parameters: how many it has.
      about: see `hwr_jax.zoo.training_facts.gather_about`.
      parameters_sha256: see `hwr_jax.evaluation.fingerprint`; "" if unknown.
      shipped: whether it comes with the package.
    """
    model = build_dataclass(ModelConfig, config["model"], "model")
    rows = layer_table(model, alphabet.num_classes)
    layers = [(row.name, row.kind, row.output_shape, row.parameters) for row in rows]
    return CardModel(
        name=name,
        shipped=shipped,
        config=config,
        characters=alphabet.characters,
        stride_px=model.stride_px,
        frames=model.frames,
        layers=layers,
        parameters=parameters,
        parameters_sha256=parameters_sha256,
        about=about,
    )


def write_card(folder: Path, model: CardModel, evaluation: str) -> Path | None:
    """Writes MODEL_CARD.md of a model from the evaluations of it in a folder; those of other parameters are left out.

    Args:
      folder: where evaluations lie.
      model: theirs.
      evaluation: name of the file that was written last: it comes first, and in full, if the folder has no greedy
        evaluation of the test split of the model's own data.

    Returns:
      The path; None where there is a MODEL_CARD.md that no evaluation wrote, which stays.

    Raises:
      OSError: it cannot be written.
    """
    path = folder / CARD_FILE
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        return None
    found = read_evaluations(folder)
    last, own = found[evaluation], model.config["data"]["name"]
    names = (str(last.get("model")),)
    kept = [one for one in found.values() if one is last or is_of(one, model.parameters_sha256, names)]
    main = next((one for one in [last, *kept] if _is_usual(one, own)), last)
    write_text(path, build_card(model, sorted(kept, key=lambda one: one is not main)))
    return path


def _is_usual(evaluation: Mapping[str, Any], own: str) -> bool:
    return (evaluation["data"], evaluation["split"], evaluation.get("decoder")) == (own, "test", "greedy")
