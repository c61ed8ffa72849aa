"""Decoder settings on disk: decoder.json beside a model."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwr_jax.decoding.settings import DecoderSettings, TextParts, describe_settings
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.strict import build_dataclass

FILE_NAME = "decoder.json"
FORMAT = 1
_FILES = ("language_model", "lexicon")


def save_settings(path: Path, settings: DecoderSettings, parts: TextParts, tuned: Mapping[str, Any]) -> None:
    """Writes settings with the hashes of their files.

    Files that lie in the folder or below it are named relative to it, so that the folder can be moved as a whole.

    Args:
      path: of the JSON file.
      settings: complete.
      parts: their files.
      tuned: on what the settings were found, for people: JSON values.

    Raises:
      OSError: it cannot be written.
    """
    plain = describe_settings(settings, parts)
    for name in _FILES:
        if name in plain:
            plain[name] = {"path": _relative(plain[name]["path"], path.parent), "sha256": plain[name]["sha256"]}
    write_text(path, json.dumps({"format": FORMAT, **plain, "tuned": tuned}, indent=2, ensure_ascii=False) + "\n")


def load_settings(path: Path) -> DecoderSettings:
    """Reads what `save_settings` wrote.

    Raises:
      InputError: no such file, or not one of these.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("not an object")
    except OSError as error:
        raise InputError(f"{path}: decoder settings cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(f"{path}: not decoder settings as hwr tune-decoder writes them ({error})") from error
    if values.pop("format", None) != FORMAT:
        raise InputError(f"{path}: not decoder settings of format {FORMAT}, the one this version reads; tune again")
    values.pop("tuned", None)
    if isinstance(weights := values.get("weights"), dict) and weights.get("escape") == "-inf":
        weights["escape"] = float("-inf")
    settings = build_dataclass(DecoderSettings, values, str(path))
    files = {name: file for name in _FILES if (file := getattr(settings, name))}
    found = {name: dataclasses.replace(file, path=os.path.join(path.parent, file.path)) for name, file in files.items()}
    return dataclasses.replace(settings, **found)


def _relative(file: str, folder: Path) -> str:
    file_path, folder_path = Path(file).resolve(), folder.resolve()
    return str(file_path.relative_to(folder_path) if file_path.is_relative_to(folder_path) else file_path)
