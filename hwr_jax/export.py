"""Exporting: a trained model as a small folder, or in the formats of others."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from hwr_jax.decoding.calibrated import BEST_PATH, load_calibrations
from hwr_jax.decoding.calibrated import FILE_NAME as CALIBRATION_FILE
from hwr_jax.decoding.calibration import Calibration
from hwr_jax.decoding.settings import FILE_NAME, GREEDY, DecoderSettings, load_settings
from hwr_jax.errors import InputError
from hwr_jax.files import write_bytes, write_text
from hwr_jax.ink.model_input import describe_scale
from hwr_jax.ink.pen_input import MAX_WIDTH_PX
from hwr_jax.ink.preprocessing import describe_all_numbers, describe_preprocessing
from hwr_jax.line_finder import is_line_finder
from hwr_jax.line_finder_export import describe_finder, export_line_finder, load_finder
from hwr_jax.models.browser_model import plan_model
from hwr_jax.models.keras_weights import save_keras
from hwr_jax.models.onnx_model import build_onnx
from hwr_jax.models.onnx_page import build_page_onnx
from hwr_jax.models.parameter_files import NPZ, find_parameters, fingerprint_parameters
from hwr_jax.models.portable import export_network, export_reader
from hwr_jax.models.trained import PRETRAINED, TrainedModel, save_exported
from hwr_jax.models.trained_network import TrainedNetwork
from hwr_jax.reports.card import CardModel, write_card
from hwr_jax.reports.reader_page import build_page
from hwr_jax.text.direction import is_right_to_left
from hwr_jax.training.load import OwnParts, load_model, model_folder
from hwr_jax.training.workdir import package_version, write_json
from hwr_jax.zoo.model_records import (
    LINES,
    WORDS,
    describe_terms,
    is_exported,
    is_of,
    language_of,
    read_evaluations,
    reads_what,
)
from hwr_jax.zoo.training_facts import gather_about

# What Keras must be given, as `hwr_jax.ink.preprocessing` makes it.
_IMAGES = {
    "word": "1 - grey / 255, so the background is 0 and ink 1; fitted in with its aspect ratio, background all round",
    "keras": "grey / 255 as the Keras example makes them, black all round, the height axis reversed",
}


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written."""

    model: TrainedModel | TrainedNetwork  # as it was loaded
    file_bytes: int  # of its parameters on disk
    notes: str  # on what else was written, or how to use it, a sentence or ""


def export_folder(
    model_or_workdir: str | os.PathLike[str],
    output: Path,
    *,
    checkpoint: str = "best",
    licence: str = "",
    parts: OwnParts = None,
    format: str = NPZ,
) -> Exported:
    """Writes model.json and the parameters, with the recorded evaluations of these very parameters and a model card.

    Args:
      model_or_workdir: the name of a model that comes with the package, the folder of an exported one, or of a run; a
        recognizer or a line finder.
      checkpoint: of a run, "best" or "latest".
      licence: a note on the data learnt from; "": what is known of them.
      parts: of a run with an encoder of one's own, as of `hwr_jax.load`; only StableHLO can hold such a model.
      format: of the parameters, one of `hwr_jax.models.parameter_files.FILES`.

    Raises:
      InputError: there is no such model, it is damaged, or a part of it cannot be written.
    """
    if is_line_finder(os.fspath(model_or_workdir)):
        _refuse_parts(parts)
        wanted = {"checkpoint": checkpoint, "licence": licence, "format": format}
        network = export_line_finder(os.fspath(model_or_workdir), output, **wanted)
        return Exported(network, find_parameters(output).stat().st_size, "")
    model, source, about = _load(model_or_workdir, checkpoint, licence, parts)
    exported = dataclasses.replace(model, name=output.resolve().name)
    fingerprint = fingerprint_parameters(model.tree)
    found = read_evaluations(source if is_exported(source) else source / "evaluation")
    evaluations = {name: values for name, values in found.items() if is_of(values, fingerprint, (model.name,))}
    save_exported(exported, output, about, format)
    for name, values in evaluations.items():
        write_json(output / name, {**values, "parameters_sha256": fingerprint})
    # The card says how confidences were calibrated.
    if load_calibrations(source / CALIBRATION_FILE, fingerprint):
        write_bytes(output / CALIBRATION_FILE, (source / CALIBRATION_FILE).read_bytes())
    if evaluations:
        write_card(output, CardModel.of(exported, about, fingerprint, output), next(iter(evaluations)))
    notes = f"with {', '.join(evaluations)}" if evaluations else ""
    return Exported(model, find_parameters(output).stat().st_size, notes)


def export_keras(
    model_or_workdir: str | os.PathLike[str],
    output: Path,
    *,
    checkpoint: str = "best",
    licence: str = "",
    parts: OwnParts = None,
) -> Exported:
    """Writes FILE.keras of plain Keras layers, and the characters of its classes beside it. Arguments as above.

    Raises InputError: there is no such model, it is damaged, or Keras has no such layers; or Keras is not installed.
    """
    model, _, about = _load(model_or_workdir, checkpoint, licence, parts)
    save_keras(model, output, {"trained_on": _data_names(model, about), "licence": about["licence"]})
    characters = output.with_suffix(".characters.txt")
    write_text(characters, model.alphabet.characters + "\n")
    size = model.preprocessing
    notes = (
        f"images [batch, {size.width_px}, {size.height_px}, 1], width first: {_IMAGES[size.kind]}"
        f"{describe_scale(size.horizontal_scale)}; characters in {characters}"
    )
    return Exported(model, output.stat().st_size, notes)


def export_onnx(
    model_or_workdir: str | os.PathLike[str],
    output: Path,
    *,
    quantize: str = "none",
    checkpoint: str = "best",
    licence: str = "",
    parts: OwnParts = None,
) -> Exported:
    """Writes FILE.onnx, which says by itself how to read with it: docs/export.md. Arguments as of `export_folder`.

    `quantize` is what weights are kept as, one of `hwr_jax.models.quantized.QUANTIZATIONS`.

    Raises InputError: there is no such model, it is damaged, a part of it cannot be written, or onnx is not installed.
    """
    model, about = _load_described(model_or_workdir, checkpoint, licence, parts)
    if output.suffix != ".onnx":
        raise InputError(f"{output}: not a name that ends in .onnx")
    about["weights"] = "float32" if quantize == "none" else quantize
    metadata = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in about.items()
    }
    build: Callable[..., Any] = build_page_onnx if isinstance(model, TrainedNetwork) else build_onnx
    content = build(model, metadata, quantize).SerializeToString()
    write_bytes(output, content)
    return Exported(model, len(content), "docs/export.md says what goes in and comes out")


def export_stablehlo(
    model_or_workdir: str | os.PathLike[str],
    output: Path,
    *,
    checkpoint: str = "best",
    licence: str = "",
    parts: OwnParts = None,
) -> Exported:
    """Writes a folder of a program for CPUs, GPUs and TPUs with its parameters, and about.json.

    The program is reader.jax_export, of a line finder line_finder.jax_export. Arguments as of `export_folder`. Raises
    InputError: there is no such model, it is damaged, its encoder computes with sizes that an export leaves open, or
    flatbuffers is not installed.
    """
    model, about = _load_described(model_or_workdir, checkpoint, licence, parts)
    try:
        import flatbuffers  # noqa: F401 (jax writes with it)
    except ImportError as error:
        raise InputError("writing StableHLO needs flatbuffers: pip install 'hwr_jax[stablehlo]'") from error
    if isinstance(model, TrainedNetwork):
        name, exported = "line_finder", export_network(model)
    else:
        name, exported = "reader", export_reader(model)
    content = bytes(exported.serialize())
    platforms = {"jax": jax.__version__, "platforms": list(exported.platforms)}
    write_bytes(output / f"{name}.jax_export", content)
    write_json(output / "about.json", about | platforms)
    return Exported(model, len(content), "docs/export.md says what goes in and comes out")


def export_html(
    model_or_workdir: str | os.PathLike[str],
    output: Path,
    *,
    quantize: str = "int8",
    checkpoint: str = "best",
    licence: str = "",
    parts: OwnParts = None,
) -> Exported:
    """Writes FILE.html, a page that reads pen strokes and images by itself. Arguments as of `export_onnx`.

    Raises InputError: there is no such model, it is damaged, or the page cannot compute a part of it.
    """
    if output.suffix != ".html":
        raise InputError(f"{output}: not a name that ends in .html")
    model, page = make_page(model_or_workdir, quantize=quantize, checkpoint=checkpoint, licence=licence, parts=parts)
    write_bytes(output, page)
    return Exported(model, len(page), "open it in a browser; it needs no network")


def make_page(
    model_or_workdir: str | os.PathLike[str],
    *,
    quantize: str = "int8",
    checkpoint: str = "best",
    licence: str = "",
    parts: OwnParts = None,
) -> tuple[TrainedModel, bytes]:
    """The model as it was loaded, and what `export_html` writes. Arguments and errors are those of `export_html`."""
    model, source, about = _load(model_or_workdir, checkpoint, licence, parts)
    if is_right_to_left(model.alphabet.characters):
        raise InputError(f"model {model.name}: has right-to-left characters, which the page does not know to order yet")
    plan = plan_model(model, quantize)
    reads = reads_what(model.config, None) or (LINES if model.preprocessing.kind == "line" else WORDS)
    language = about.get("language") or language_of(model.config["data"]["name"])
    what = " ".join(filter(None, ("one", language, "line" if reads == LINES else "word")))
    described = _describe(model, source, about)
    # Others take the best path's probability; the page, as we do, that of the text.
    calibration = _calibration_of(GREEDY, model, source, described["temperature"])
    described |= {
        "calibration": dataclasses.asdict(calibration),
        "preprocessing": describe_all_numbers(model.preprocessing),
        "weights": "float32" if quantize == "none" else quantize,
        "reads": reads,
        "max_width_px": MAX_WIDTH_PX[model.preprocessing.kind],
        "plan": plan.describe(),
    }
    page = build_page(described, bytes(plan.weights), what=what, parameters=model.parameters, version=package_version())
    return model, page.encode()


def _load_described(
    model_or_workdir: str | os.PathLike[str], checkpoint: str, licence: str, parts: OwnParts
) -> tuple[TrainedModel | TrainedNetwork, dict[str, Any]]:
    """A recognizer or a line finder, and what a program of others has to know of it."""
    if is_line_finder(os.fspath(model_or_workdir)):
        _refuse_parts(parts)
        loaded = load_finder(os.fspath(model_or_workdir), checkpoint=checkpoint, licence=licence)
        return loaded.network, describe_finder(loaded)
    model, source, about = _load(model_or_workdir, checkpoint, licence, parts)
    return model, _describe(model, source, about)


def _refuse_parts(parts: OwnParts) -> None:
    if parts is not None:
        raise InputError("parts: a line finder is exported without parts of one's own")


def _describe(model: TrainedModel, source: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """What a program of others has to know of a model."""
    settings = load_settings(source / FILE_NAME) if (source / FILE_NAME).exists() else DecoderSettings()
    temperature = settings.temperature if settings.decoder == GREEDY else 1.0
    calibration = _calibration_of(BEST_PATH, model, source, temperature)
    return {
        "name": model.name,
        "characters": model.alphabet.characters,
        "blank": model.alphabet.blank_id,
        "stride_px": model.stride_px,
        "preprocessing": describe_preprocessing(model.preprocessing),
        "temperature": temperature,
        "calibration": {"slope": calibration.slope, "intercept": calibration.intercept},
        "trained_on": _data_names(model, about),
        "licence": about["licence"],
    }


def _calibration_of(label: str, model: TrainedModel, source: Path, temperature: float) -> Calibration:
    """That of a decoder's texts; what a temperature has mended is not mended again."""
    calibrations = load_calibrations(source / CALIBRATION_FILE, fingerprint_parameters(model.tree))
    fitted = calibrations.get(label)
    return fitted.text if fitted is not None and temperature == 1 else Calibration(slope=1.0, intercept=0.0)


def _load(
    model_or_workdir: str | os.PathLike[str], checkpoint: str, licence: str, parts: OwnParts
) -> tuple[TrainedModel, Path, dict[str, Any]]:
    """The recognizer, its folder, and what is known of it, its licence included."""
    name = os.fspath(model_or_workdir)
    if is_line_finder(name):
        raise InputError(f"{name}: is a line finder; npz, safetensors, onnx and stablehlo are its formats")
    model = load_model(name, checkpoint, parts)
    source = model_folder(name) or PRETRAINED / name
    about = gather_about(source, model.name)
    about["licence"] = licence or about.get("licence") or describe_terms(_data_names(model, about))
    return model, source, about


def _data_names(model: TrainedModel, about: Mapping[str, Any]) -> list[str]:
    return about.get("trained_on") or [model.config["data"]["name"]]
