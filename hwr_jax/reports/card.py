"""MODEL_CARD.md: what is recorded of a model and its evaluations, as one page of Markdown."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.config import AugmentConfig, ModelConfig
from hwr_jax.data.sample import describe_skips
from hwr_jax.decoding.calibrated import FILE_NAME, read_fits
from hwr_jax.evaluation.run_files import group_of
from hwr_jax.evaluation.summary import doubt_interval
from hwr_jax.files import write_text
from hwr_jax.models.recognizer import layer_table
from hwr_jax.nested import flatten
from hwr_jax.reports.page import render
from hwr_jax.reports.tables import character, code, markdown_table, show_percent, show_rate
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.zoo.model_records import (
    CARD_FILE,
    NOT_RECORDED,
    PRETRAINED,
    data_names,
    describe_input,
    describe_terms,
    is_of,
    read_evaluations,
    reads_what,
)

MARK = "<!-- written by hwr evaluate from what it recorded; written anew by the next evaluation -->"
SHOWN_CONFUSIONS = 12
_PREPROCESSING = {
    "word": "scaled to fit the input as dark ink on a light background, the aspect ratio kept",
    "line": "scaled to the input's height, the aspect ratio kept, and read as far as there is ink",
    "keras": "scaled to fit the input as the Keras example does it",
}


@dataclasses.dataclass(frozen=True)
class CardModel:
    """What a card says of a model beside its evaluations."""

    name: str  # of the model
    config: Mapping[str, Any]  # of its experiment, plain values
    alphabet: Alphabet  # of its classes
    parameters: int  # how many it has
    about: Mapping[str, Any]  # see `hwr_jax.zoo.training_facts.gather_about`
    parameters_sha256: str = ""  # see `hwr_jax.models.parameter_files.fingerprint_parameters`; "" if unknown
    shipped: bool = False  # whether it comes with the package
    encoder: Any = None  # where that is of no table
    # decoder's label -> what is recorded of its calibration, see `hwr_jax.evaluation.calibrate.describe_fit`
    fits: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, model: Any, about: Mapping[str, Any], fingerprint: str, folder: Path) -> "CardModel":
        """That of a model in a folder, see `hwr_jax.result.Evaluated`."""
        shipped = folder.resolve().parent == PRETRAINED
        encoder = getattr(model, "encoder", None)
        fits = read_fits(folder / FILE_NAME, fingerprint) if fingerprint else {}
        return cls(
            model.name, model.config, model.alphabet, model.parameters, about, fingerprint, shipped, encoder, fits
        )


def write_card(folder: Path, model: CardModel, evaluation: str) -> Path | None:
    """Writes MODEL_CARD.md of a model from the evaluations of it in a folder; those of other parameters are left out.

    `evaluation` is the name of the file that was written last: it comes first, and in full, if the folder has no greedy
    evaluation of the test split of the model's own data. Returns the path; None where there is a MODEL_CARD.md that no
    evaluation wrote, which stays.
    """
    path = folder / CARD_FILE
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        return None
    found = read_evaluations(folder)
    last, usual = found[evaluation], (model.config["data"]["name"], "test", "greedy")
    names = (str(last.get("model")),)
    kept = [one for one in found.values() if one is last or is_of(one, model.parameters_sha256, names)]
    main = next((one for one in [last, *kept] if (one["data"], one["split"], one.get("decoder")) == usual), last)
    write_text(path, build_card(model, sorted(kept, key=lambda one: one is not main)))
    return path


def build_card(model: CardModel, evaluations: Sequence[Mapping[str, Any]]) -> str:
    """The card of a model, from the JSON of evaluations of it, at least one; the card shows all of the first."""
    main, config = evaluations[0], model.config
    sizes = build_dataclass(ModelConfig, config["model"], "model")
    data, length = group_of(config, "data"), group_of(config, "training")
    own = str(data.get("name") or "")
    named = model.about.get("trained_on")
    trained_on = [str(name) for name in named] if isinstance(named, list) else data_names(config) if own else []
    seen = group_of(main, "prepared").get("characters")
    return render(
        "card.md",
        NOT_RECORDED=NOT_RECORDED,
        mark=MARK,
        model=model,
        main=main,
        evaluations=evaluations,
        config=config,
        about=model.about,
        training=group_of(model.about, "training"),
        own=own,
        trained_on=trained_on,
        reads=reads_what(config, main),
        input=describe_input(config),
        preprocessing=_PREPROCESSING.get(str(data.get("preprocessing"))),
        sizes=sizes,
        encoder=type(model.encoder).__name__ if model.encoder else sizes.encoder,
        stride_px=(model.encoder or sizes).stride_px,
        layers=layer_table(sizes, model.alphabet.num_classes, model.encoder),
        writers=_writers(main),
        most_confusions=SHOWN_CONFUSIONS,
        fits=model.fits,
        sure=next((one for one in evaluations if group_of(one, "risk_coverage")), None),  # as a rule the first
        requested={name: length[name] for name in ("epochs", "steps") if length.get(name)},
        strengths=_strengths(group_of(config, "augment")),
        unseen="".join(c for c in model.alphabet.characters if c not in seen) if seen and main["data"] == own else "",
        with_texts=any({"language_model", "lexicon"} & group_of(one, "decoder_settings").keys() for one in evaluations),
        licence=str(model.about.get("licence") or describe_terms(trained_on)),
        recorded=_recorded,
        doubt_interval=doubt_interval,
        writers_of=lambda found: "unknown" if found.get("writers", 0) is None else _count(found.get("writers")),
        count=_count,
        number=_number,
        settings=_settings,
        reasons=_reasons,
        rate=_rate,
        character=character,
        code=code,
    )


def _writers(main: Mapping[str, Any]) -> str:
    spread = group_of(main, "cer_of_writers")
    rows = [
        ("writers", *(name.replace("_", " ") for name in spread)),
        (_count(main.get("writers")), *map(show_percent, spread.values())),
    ]
    return markdown_table(rows, right=range(len(rows[0]))) if spread else ""


def _strengths(augment: Mapping[str, Any]) -> dict[str, Any]:
    """The strengths above 0, each with its sizes: the whole numbers that follow it in `AugmentConfig`."""
    shown: dict[str, Any] = {}
    strength: Any = 0
    for field in dataclasses.fields(AugmentConfig):
        value = augment.get(field.name)
        strength = value if isinstance(field.default, float) else strength
        if strength and value is not None:
            shown[field.name] = value
    return shown


def _recorded(value: Any) -> str:
    # A field that a record lacks is undefined in the template, whose text is empty.
    return NOT_RECORDED if value is None else str(value) or NOT_RECORDED


def _settings(values: Any, between: str = "=") -> str:
    return ", ".join(f"{name}{between}{value}" for name, value in flatten(values or {}, ".").items())


def _reasons(reasons: Any) -> str:
    if not isinstance(reasons, Mapping):
        return NOT_RECORDED
    return describe_skips(reasons) if reasons else "none"


def _rate(found: Mapping[str, Any], name: str) -> str:
    return show_rate(found[name], found.get(f"{name}_interval")) if name in found else NOT_RECORDED


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else NOT_RECORDED


def _number(value: Any, form: str) -> str:
    return f"{value:{form}}" if isinstance(value, int | float) else NOT_RECORDED
