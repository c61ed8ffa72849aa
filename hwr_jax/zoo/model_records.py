"""What is recorded of models: shipped, exported or runs; and which of them reads where none is named.

Read without jax, so that a list of them is quick.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import group_of, is_number, read_json, read_json_if_whole
from hwr_jax.ink.model_input import describe_scale
from hwr_jax.mixture_config import unit_of
from hwr_jax.models.parameter_files import find_parameters, fingerprint_parameters, read_parameters
from hwr_jax.page_config import LINE_FINDER_FILE

if TYPE_CHECKING:
    import numpy as np

    from hwr_jax.data.formats.base import Format

# As hwr_jax.models.trained has it, which imports jax.
PRETRAINED = Path(__file__).resolve().parent.parent / "pretrained"
CARD_FILE = "MODEL_CARD.md"
NOT_RECORDED = "not recorded"
WORDS, LINES = "words", "lines"
# What else a model may be sought for: lines of scanned pages, and of pen strokes.
PAGES, INK_LINES = "pages", "lines of pen strokes"


@dataclasses.dataclass(frozen=True)
class ModelRecord:
    """What is recorded of a model. What is not is None, or empty."""

    name: str  # of the model
    folder: Path  # exported or of a run
    shipped: bool  # whether it comes with the package
    config: Mapping[str, Any]  # of its experiment
    about: Mapping[str, Any]  # where it comes from, see `hwr_jax.zoo.training_facts`; empty for a run
    status: Mapping[str, Any]  # status.json of a run
    parameters: int | None  # how many
    file_bytes: int  # of the exported folder's model.json and parameters, or of all of the run's checkpoints
    evaluations: Mapping[str, Mapping[str, Any]]  # file name -> the JSON of each evaluation of these parameters
    stale: tuple[str, ...]  # names of the files with evaluations of other parameters

    @property
    def card(self) -> Path:
        """Where its card is, if there is one."""
        return (self.folder if is_exported(self.folder) else self.folder / "evaluation") / CARD_FILE

    @property
    def data(self) -> str:
        """Name of the data set it was trained on."""
        return _data_name(self.config)

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Names of all data sets that its parameters come from, its own first."""
        named = self.about.get("trained_on")
        return tuple(map(str, named)) if isinstance(named, list) else trained_on(self.config, _init_from(self.folder))

    @property
    def evaluation(self) -> Mapping[str, Any] | None:
        """The greedy evaluation on its own data by which models are compared: of the test split, else validation."""
        own = {
            found.get("split"): found
            for found in list(self.evaluations.values())[::-1]
            if found.get("decoder", "greedy") == "greedy" and found.get("data") == self.data
        }
        return own.get("test") or own.get("validation")

    @property
    def reads(self) -> str:
        """WORDS, LINES, or "" if neither its data nor an evaluation says."""
        return reads_what(self.config, self.evaluation)

    @property
    def language(self) -> str:
        """Of most of its training texts, as recorded with the model, else by its data's formats; "" if neither says."""
        known = dict.fromkeys(format.language for format in self._formats if format.language)
        return str(self.about.get("language") or ", ".join(known))

    @property
    def medium(self) -> str:
        """INK or STROKES of `hwr_jax.data.formats.base`, likewise."""
        from hwr_jax.data.formats.base import INK

        known = INK if self._scanned else self._formats[0].medium if self._formats else ""
        return str(self.about.get("medium") or known)

    @property
    def reads_scanned_pages(self) -> bool:
        """Whether it was trained on lines of scanned pages, beside others perhaps."""
        return self.reads == LINES and self._scanned

    @property
    def _scanned(self) -> bool:
        return any(format.from_scans for format in self._formats)

    @property
    def _formats(self) -> "list[Format]":
        """Of the data sets that it was trained on last, those that are in the package's table."""
        return list(filter(None, map(_format_of, data_names(self.config))))

    @property
    def input_size(self) -> str:
        """Size of its input images, width first, such as "128 x 32 px"."""
        return describe_input(self.config)

    @property
    def licence(self) -> str:
        """The note recorded with the model, or what is known of the terms of its data."""
        return str(self.about.get("licence") or describe_terms(self.trained_on))

    @property
    def terms(self) -> str:
        """The licence note in a few words."""
        return summarize_terms(self.trained_on) if self.has_usual_terms else "see its card"

    @property
    def has_usual_terms(self) -> bool:
        """Whether its licence note is what is known of the terms of its data, and no more."""
        return self.licence == describe_terms(self.trained_on)


def _format_of(data: str) -> "Format | None":
    from hwr_jax.data.formats.table import format_of  # A reader of images starts without all formats of data.

    return format_of(data)


def reads_what(config: Mapping[str, Any], evaluation: Mapping[str, Any] | None) -> str:
    """WORDS or LINES, by the format of a config's data, else by the words a label of an evaluation; "" if neither says.

    A model of a mixture reads lines if one of its data sets holds lines.
    """
    if sources := group_of(group_of(config, "data"), "mixture").values():
        return LINES if any(one["unit"] == "line" for one in sources) else WORDS
    format = _format_of(_data_name(config))
    names = {"word": WORDS, "line": LINES}
    kind = names.get(format.unit if format else "", "")
    if kind or evaluation is None:
        return kind
    words: Any = evaluation.get("words")
    samples: Any = evaluation.get("samples")
    if not (is_number(words) and is_number(samples) and samples):
        return ""
    return names[unit_of(words, samples)]


def language_of(data_name: str) -> str:
    """The language of a data set, as its format has it; "" if that does not say."""
    format = _format_of(data_name)
    return format.language if format else ""


def describe_input(config: Mapping[str, Any]) -> str:
    """Size of the input images of a config's model, such as "up to 1024 x 32 px"; "" if it does not say."""
    model, data = group_of(config, "model"), group_of(config, "data")
    if not {"width_px", "height_px"} <= model.keys():
        return ""
    most = "up to " * (data.get("preprocessing") == "line")
    return f"{most}{model['width_px']} x {model['height_px']} px{describe_scale(data.get('horizontal_scale', 1))}"


def describe_terms(data_names: Iterable[str]) -> str:
    """The licence note of a model trained on these data sets: a sentence for each source."""
    formats = {name: _format_of(name) for name in data_names}
    sentences = (
        f"{format.terms.source}: {format.terms.details}."
        if format and format.terms
        else f"{name}: terms {NOT_RECORDED}."
        for name, format in formats.items()
    )
    return " ".join(dict.fromkeys(sentences))


def summarize_terms(data_names: Iterable[str]) -> str:
    """The same in a few words."""
    formats = map(_format_of, data_names)
    words = (format.terms.terms if format and format.terms else NOT_RECORDED for format in formats)
    return ", ".join(dict.fromkeys(words))


def trained_on(config: Mapping[str, Any], init_from: str | None) -> tuple[str, ...]:
    """The data sets of a model that a config trained, starting from the parameters of `init_from`, if any.

    Those of models that these started from count too. One whose folder is no longer there is named itself.
    """
    names, seen = data_names(config), set[str]()
    while init_from is not None and init_from not in seen:
        seen.add(init_from)
        shipped = PRETRAINED / init_from
        folder = shipped if "/" not in init_from and is_exported(shipped) else Path(init_from)
        init_from = None
        if is_exported(folder):
            description = read_json_if_whole(folder / "model.json")
            named = group_of(description, "about").get("trained_on")
            names += map(str, named if isinstance(named, list) else data_names(group_of(description, "config")))
        elif is_run(folder):
            names += data_names(read_json_if_whole(folder / "config.json"))
            init_from = _init_from(folder)
        else:
            names.append(f"the data of {folder.name}")
    return tuple(dict.fromkeys(name for name in names if name))


def is_exported(folder: Path) -> bool:
    """Whether `hwr export` wrote the folder."""
    return (folder / "model.json").is_file()


def is_run(folder: Path) -> bool:
    """Whether `hwr train` writes there."""
    return (folder / "config.json").is_file()


def shipped_records() -> list[ModelRecord]:
    """The models that come with the package, by name."""
    return [read_record(path.parent) for path in sorted(PRETRAINED.glob("*/model.json"))]


def line_finder_names() -> list[str]:
    """Names of the line finders that come with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{LINE_FINDER_FILE}"))


def find_records(path: Path) -> list[ModelRecord]:
    """The model of a folder; or those of the folders in it, by name.

    Raises InputError: there is none, or a file of one is damaged.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no such folder, nor the name of a model that comes with the package")
    if is_exported(path) or is_run(path):
        return [read_record(path)]
    found = [folder for folder in sorted(path.iterdir()) if is_exported(folder) or is_run(folder)]
    if not found:
        raise InputError(f"{path}: neither an exported model nor a run, and none in it")
    return [read_record(folder) for folder in found]


def read_record(folder: Path) -> ModelRecord:
    """Reads an exported folder or a run's. Raises InputError: a file is damaged, or the folder holds no model."""
    if is_exported(folder):
        return _read_exported(folder)
    if not is_run(folder):
        raise InputError(f"{folder}: neither an exported model nor a run")
    evaluations = read_evaluations(folder / "evaluation")
    usage, status = (read_json_if_whole(folder / f"{name}.json") for name in ("usage", "status"))
    counts = [usage.get("parameters"), *(found.get("parameters") for found in evaluations.values())]
    return ModelRecord(
        name=folder.resolve().name,
        folder=folder,
        shipped=False,
        config=read_json(folder / "config.json"),
        about={},
        status=status,
        parameters=next((count for count in counts if isinstance(count, int)), None),
        file_bytes=sum(path.stat().st_size for path in (folder / "checkpoints").rglob("*") if path.is_file()),
        evaluations=evaluations,
        stale=(),
    )


def read_evaluations(folder: Path) -> dict[str, Mapping[str, Any]]:
    """File name -> content of the JSON files of evaluations in a folder; other and damaged files are left out."""
    found = {path.name: read_json_if_whole(path) for path in sorted(folder.glob("*.json"))}
    return {name: values for name, values in found.items() if {"cer", "samples", "split", "data"} <= values.keys()}


def is_of(evaluation: Mapping[str, Any], fingerprint: str, names: tuple[str, ...]) -> bool:
    """Whether an evaluation is of certain parameters: by their fingerprint, or where it has none, by their name."""
    recorded = evaluation.get("parameters_sha256")
    return recorded == fingerprint if recorded else evaluation.get("model") in names


def _read_exported(folder: Path) -> ModelRecord:
    description = read_json(folder / "model.json")
    about = group_of(description, "about")
    path = find_parameters(folder)
    arrays = _read_arrays(path)
    fingerprint = fingerprint_parameters(arrays)
    names = (str(description.get("name")), str(about.get("checkpoint")))
    evaluations = read_evaluations(folder)
    own = {name: found for name, found in evaluations.items() if is_of(found, fingerprint, names)}
    return ModelRecord(
        name=folder.resolve().name,
        folder=folder,
        shipped=folder.resolve().parent == PRETRAINED,
        config=group_of(description, "config"),
        about=about,
        status={},
        parameters=sum(array.size for array in arrays.values()),
        file_bytes=sum(file.stat().st_size for file in (folder / "model.json", path)),
        evaluations=own,
        stale=tuple(name for name in evaluations if name not in own),
    )


def _read_arrays(path: Path) -> "dict[str, np.ndarray]":
    try:
        return read_parameters(path)
    except InputError:
        raise
    except Exception as error:  # Each format has errors of its own for damaged files.
        raise InputError(f"{path}: not the parameters of an exported model; export it again") from error


def _init_from(workdir: Path) -> str | None:
    """The model that a run started from."""
    name = read_json_if_whole(workdir / "init_from.json").get("model")
    return str(name) if name else None


def _data_name(config: Mapping[str, Any]) -> str:
    return str(group_of(config, "data").get("name", ""))


def data_names(config: Mapping[str, Any]) -> list[str]:
    """Names of the data sets that a config trains on, several where it mixes them."""
    sources = group_of(group_of(config, "data"), "mixture").values()
    return [str(one["name"]) for one in sources if one["weight"] or one["share"]] or [_data_name(config)]


def choose_model(records: Sequence[ModelRecord], what: str = WORDS) -> tuple[ModelRecord, str]:
    """The model for what is to be read, and the rule it was chosen by. InputError: there is none.

    `what` it is to read: WORDS; LINES; PAGES, by models trained on lines of scanned pages; or INK_LINES, by models
    trained on lines drawn from pen strokes. Of lines and pages that model is chosen which was trained on the most data
    sets, because it has seen the most kinds of paper; among equals, and for the others, that with the lowest recorded
    CER.
    """
    from hwr_jax.data.formats.base import STROKES

    of_what = {
        WORDS: "of the shipped models of words",
        LINES: "of the shipped models of lines",
        PAGES: "of the shipped models of lines on scanned pages",
        INK_LINES: "of the shipped models of lines of pen strokes",
    }[what]
    fit = [one for one in records if one.reads == (WORDS if what == WORDS else LINES)]
    if what == PAGES:
        fit = [one for one in fit if one.reads_scanned_pages]
    elif what == INK_LINES:
        fit = [one for one in fit if one.medium == STROKES]
    if not fit:
        raise InputError(f"{of_what} there is none; name a model with --model=NAME_OR_PATH")
    if what in (LINES, PAGES):
        most = max(len(data_names(one.config)) for one in fit)
        many = [one for one in fit if len(data_names(one.config)) == most]
        if len(many) == 1 < len(fit):
            return many[0], f"{of_what} the one trained on the most data sets"
        fit = many
    model = min(fit, key=lambda record: (_cer(record), record.name))
    if len(fit) == 1:
        return model, f"{of_what} the only one"
    if math.isinf(_cer(model)):
        return model, f"{of_what} the first by name: none has a recorded CER"
    return model, f"{of_what} the one with the lowest recorded CER"


def default_name(what: str = WORDS) -> str:
    """The shipped model that `hwr read` takes by itself, see `choose_model`. Raises InputError: there is none."""
    return choose_model(shipped_records(), what)[0].name


def _cer(record: ModelRecord) -> float:
    cer = (record.evaluation or {}).get("cer")
    return float(cer) if isinstance(cer, int | float) else math.inf
