"""MODEL_CARD.md: what is recorded of a model and its evaluations, as one page of Markdown. It knows nothing else."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hwr_jax.config import AugmentConfig
from hwr_jax.evaluation.run_files import group_of
from hwr_jax.nested import flatten
from hwr_jax.reports.card_limits import list_limits
from hwr_jax.reports.markdown import build_table, character, code
from hwr_jax.zoo.data_terms import NOT_RECORDED, describe_terms
from hwr_jax.zoo.model_records import describe_input, reads_what

MARK = "<!-- written by hwr evaluate from what it recorded; written anew by the next evaluation -->"
SHOWN_CONFUSIONS = 12
_SPLITS = ("train", "validation", "test")
_PREPROCESSING = {
    "word": "preprocessed into the frame as dark ink on light paper, its aspect ratio kept",
    "line": "preprocessed to the frame's height, its aspect ratio kept, and read as far as there is ink",
    "keras": "preprocessed into the frame as the Keras example does it",
}


@dataclasses.dataclass(frozen=True)
class CardModel:
    """What a card tells of a model beside its evaluations.

    Attributes:
      name: of the model.
      shipped: whether it comes with the package.
      config: of its experiment, plain values.
      characters: of its alphabet.
      stride_px: columns of the image a frame of its output.
      frames: of its output for the widest image.
      layers: (name, kind, output shape without the batch, parameters) of each.
      parameters: how many in all.
      parameters_sha256: see `hwr_jax.evaluation.fingerprint`; "" if unknown.
      about: see `hwr_jax.zoo.training_facts.gather_about`.
    """

    name: str
    shipped: bool
    config: Mapping[str, Any]
    characters: str
    stride_px: int
    frames: int
    layers: Sequence[tuple[str, str, tuple[int, ...], int]]
    parameters: int
    parameters_sha256: str
    about: Mapping[str, Any]


def build_card(model: CardModel, evaluations: Sequence[Mapping[str, Any]]) -> str:
    """The card.

    Args:
      model: what it is of.
      evaluations: JSON of evaluations of this model, at least one; the first is the one that is told in full.
    """
    main = evaluations[0]
    parts = [
        f"# Model card: {model.name}\n\n{MARK}",
        f'All that stands here was recorded by commands. Where a fact is missing, it says "{NOT_RECORDED}".',
        _section("The model", _describe(model, main)),
        _section("Results", _results(evaluations)),
        _section("Writers", _writers(main)),
        _section("Most frequent confusions", _confusions(main)),
        _section("Data", _data(model, main)),
        _section("Training", _training(model)),
        _section("How it was measured", _measuring(evaluations)),
        _section(
            "Limits",
            "\n".join(f"- {limit}" for limit in list_limits(model.config, model.characters, model.frames, evaluations)),
        ),
        _section("Licence", _licence(model)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _describe(model: CardModel, main: Mapping[str, Any]) -> str:
    data = group_of(model.config, "data")
    reads = reads_what(str(data.get("name", "")), main)
    facts = {
        "reads": f"images of {reads or 'text'}, {_PREPROCESSING.get(str(data.get('preprocessing')), NOT_RECORDED)}",
        "frame": f"{describe_input(model.config) or NOT_RECORDED}; a frame of the output every {model.stride_px} px",
        "alphabet": f"{len(model.characters)} characters: {code(model.characters)}",
        "parameters": f"{model.parameters:,}",
        "parameters, SHA-256": model.parameters_sha256 or NOT_RECORDED,
        "checkpoint": str(model.about.get("checkpoint") or NOT_RECORDED),
    }
    rows = [
        (name, kind, " x ".join(map(str, shape)), f"{parameters:,}") for name, kind, shape, parameters in model.layers
    ]
    layers = build_table(("layer", "kind", "output", "parameters"), rows, numbers=(3,))
    return f"{_facts(facts)}\n\n{layers}"


def _results(evaluations: Sequence[Mapping[str, Any]]) -> str:
    head = ("data, split", "decoder", "samples", "writers", "CER", "WER", "CER, case ignored", "WER, case ignored")
    rows = [
        (
            f"{found['data']}, {found['split']}",
            str(found.get("decoder") or NOT_RECORDED),
            _count(found.get("samples")),
            _count(found.get("writers")),
            *(_rate(found, name) for name in ("cer", "wer", "cer_casefolded", "wer_casefolded")),
        )
        for found in evaluations
    ]
    main = evaluations[0]
    over = main.get("interval_over") or NOT_RECORDED
    between = f"; words are parted by {main['words_between']}" if main.get("words_between") else ""
    lines = [
        f"In brackets: 95 % bootstrap intervals over {over}. CER and WER are sums of edits over sums of characters and "
        f"words{between}.",
        f"{main['data']}, {main['split']}: {_count(main.get('edits'))} edits in {_count(main.get('characters'))} "
        f"characters, {_count(main.get('word_edits'))} in {_count(main.get('words'))} words; expected calibration "
        f"error of the confidences {_number(main.get('expected_calibration_error'), '.4f')}; loss "
        f"{_number(main.get('loss'), '.3f')} nats a sample.",
    ]
    return "\n\n".join([build_table(head, rows, numbers=range(2, 8)), *lines])


def _writers(main: Mapping[str, Any]) -> str:
    spread = main.get("cer_of_writers")
    if not isinstance(spread, Mapping):
        return f"CER of the writers: {NOT_RECORDED}."
    head = ("writers", *(name.replace("_", " ") for name in spread))
    row = (_count(main.get("writers")), *(_percent(rate) for rate in spread.values()))
    return f"CER of each writer:\n\n{build_table(head, [row], numbers=range(len(head)))}"


def _confusions(main: Mapping[str, Any]) -> str:
    confusions = main.get("confusions")
    if not isinstance(confusions, list):
        return f"{NOT_RECORDED.capitalize()}."
    if not confusions:
        return "None: not a single error."
    rows = [
        (
            character(found["truth"]),
            character(found["reading"]),
            _count(found["count"]),
            "-" if found["share"] is None else _percent(found["share"]),
        )
        for found in confusions[:SHOWN_CONFUSIONS]
    ]
    return build_table(("truth", "read as", "times", "of that character"), rows, numbers=(2, 3))


def _data(model: CardModel, main: Mapping[str, Any]) -> str:
    own, prepared = str(group_of(model.config, "data").get("name", "")), group_of(main, "prepared")
    facts = {
        "trained on": ", then ".join(reversed(_trained_on(model))) or NOT_RECORDED,
        "measured on": f"{main['data']}, {main['split']}",
        "split rule": str(main.get("split_rule") or NOT_RECORDED),
        "ids measured on, SHA-256": str(main.get("ids_hash") or NOT_RECORDED),
        "prepared data": f"version {prepared['version']}" if "version" in prepared else NOT_RECORDED,
        "source": _source(prepared),
        "left out when prepared": _reasons(prepared.get("skipped_reasons")),
        "left out of this evaluation": _reasons(main.get("skipped_reasons")),
        "left out of training": _reasons(group_of(group_of(model.about, "training"), "left_out").get("training")),
    }
    splits = group_of(prepared, "splits")
    if not splits or main["data"] != own:
        return f"{_facts(facts)}\n\nSizes of the splits that it was trained on: {NOT_RECORDED}."
    rows = [
        (name, _count(splits[name]["samples"]), _count(splits[name]["writers"]), splits[name]["ids_hash"])
        for name in _SPLITS
        if name in splits
    ]
    table = build_table(("split", "samples", "writers", "ids, SHA-256"), rows, numbers=(1, 2))
    return f"{_facts(facts)}\n\nThe splits of {own}, as it was prepared when this was measured:\n\n{table}"


def _source(prepared: Mapping[str, Any]) -> str:
    source = group_of(prepared, "source")
    if {"name", "bytes"} <= source.keys():
        return f"{source['name']}, {source['bytes']:,} bytes"
    return "none: made up by hwr_jax" if prepared and prepared.get("source") is None else NOT_RECORDED


def _training(model: CardModel) -> str:
    about, training = model.about, group_of(model.about, "training")
    config = model.config
    seconds = training.get("seconds")
    first = group_of(training, "init_from")
    length = group_of(config, "training")
    facts = {
        "command": code(training["command"]) if training.get("command") else NOT_RECORDED,
        "commit": str(about.get("git") or NOT_RECORDED),
        "length asked for": _settings({name: length.get(name) for name in ("epochs", "steps") if length.get(name)}),
        "steps": f"{_count(training.get('steps'))}; the one that was kept is told by the checkpoint's name",
        "time": f"{seconds / 60:.0f} minutes, validation included" if seconds else NOT_RECORDED,
        "devices": ", ".join(map(str, training.get("devices", []))) or NOT_RECORDED,
        "began with": f"the parameters of {first['model']}; {first['kept']} characters kept theirs" if first else "",
        "seed": str(config.get("seed", NOT_RECORDED)),
        "batch": str(group_of(config, "data").get("batch_size", NOT_RECORDED)),
        "optimizer": _settings(group_of(config, "optimizer")) or NOT_RECORDED,
        "augmentation": _settings(_strengths(group_of(config, "augment"))) or "none",
        "versions": _settings(group_of(about, "versions"), " ") or NOT_RECORDED,
    }
    if not first:
        del facts["began with"]
    return _facts(facts)


def _strengths(augment: Mapping[str, Any]) -> dict[str, Any]:
    """The strengths above 0, each with its sizes: the whole numbers that follow it in `AugmentConfig`."""
    told: dict[str, Any] = {}
    strength: Any = 0
    for field in dataclasses.fields(AugmentConfig):
        value = augment.get(field.name)
        strength = value if isinstance(field.default, float) else strength
        if strength and value is not None:
            told[field.name] = value
    return told


def _measuring(evaluations: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for found in evaluations:
        by = group_of(found, "evaluated_by")
        command = code(by["command"]) if by.get("command") else f"command {NOT_RECORDED}"
        versions = _settings(group_of(by, "versions"), " ") or f"versions {NOT_RECORDED}"
        lines.append(
            f"- {found['data']}, {found['split']}, {found.get('decoder') or NOT_RECORDED}: {command}; commit "
            f"{by.get('git') or NOT_RECORDED}; {versions}; {_settings(group_of(found, 'decoder_settings'))}."
        )
    return "\n".join(lines)


def _licence(model: CardModel) -> str:
    note = str(model.about.get("licence") or describe_terms(_trained_on(model)))
    own = " The parameters come with hwr_jax, which is under the Apache License 2.0." * model.shipped
    return f"Data that the parameters were learnt from: {note}{own}"


def _trained_on(model: CardModel) -> list[str]:
    told = model.about.get("trained_on")
    own = group_of(model.config, "data").get("name")
    return list(map(str, told)) if isinstance(told, list) else [str(own)] if own else []


def _facts(facts: Mapping[str, str]) -> str:
    return build_table(("", ""), facts.items())


def _settings(values: Mapping[str, Any], between: str = "=") -> str:
    return ", ".join(f"{name}{between}{value}" for name, value in flatten(values, ".").items())


def _reasons(reasons: Any) -> str:
    if not isinstance(reasons, Mapping):
        return NOT_RECORDED
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()) or "none"


def _rate(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return NOT_RECORDED
    interval = values.get(f"{name}_interval")
    between = f" ({100 * interval[0]:.2f} - {100 * interval[1]:.2f})" if interval else ""
    return "-" if values[name] is None else _percent(values[name]) + between


def _percent(rate: float) -> str:
    return f"{100 * rate:.2f} %"


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else NOT_RECORDED


def _number(value: Any, form: str) -> str:
    return f"{value:{form}}" if isinstance(value, int | float) else NOT_RECORDED
