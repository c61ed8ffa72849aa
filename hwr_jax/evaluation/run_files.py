"""What a run has written so far, read back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwr_jax.errors import InputError
from hwr_jax.renames import rename_config, rename_metrics


def read_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds, {} if there is no such file.

    Raises InputError where it holds no JSON object, OSError where it cannot be read.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"{path}: damaged, not JSON") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: damaged, not a JSON object")
    return _rename(path.name, value)


def _rename(file: str, value: dict[str, Any]) -> dict[str, Any]:
    """What files of older versions hold, under today's names."""
    if file == "config.json":
        return rename_config(value)
    if file == "model.json" and isinstance(value.get("config"), Mapping):
        return value | {"config": rename_config(value["config"])}
    return rename_metrics(value) if file == "usage.json" else value


def read_json_if_whole(path: Path) -> dict[str, Any]:
    """As `read_json`, but {} too for a file that is damaged or cannot be read."""
    try:
        return read_json(path)
    except (OSError, InputError):
        return {}


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl that have a step; [] if there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    parsed = []
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:  # the last line of a run that is being killed
            continue
        if isinstance(value, dict) and isinstance(value.get("step"), int):
            parsed.append(rename_metrics(value))
    return parsed


def describe_extensions(folder: Path) -> str:
    """When a run was made longer and by how much, "at step 120: training.steps 120 to 150"; "" if it never was."""
    found = read_json_if_whole(folder / "extended.json").get("extensions", [])
    return "; ".join(
        f"at step {one['at_step']:,}: "
        + ", ".join(
            f"{name} {old:g} to {one['to'][name]:g}" for name, old in one["from"].items() if old != one["to"][name]
        )
        for one in found
    )


def points_of(lines: list[dict[str, Any]], x: str, y: str) -> list[tuple[float, float]]:
    """(x, y) of the lines that have numbers under both names."""
    return [(float(line[x]), float(line[y])) for line in lines if is_number(line.get(x)) and is_number(line.get(y))]


def group_of(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A JSON object in a JSON object, {} if it is none."""
    inner = values.get(name)
    return inner if isinstance(inner, Mapping) else {}


def is_number(value: Any) -> bool:
    """Whether JSON gave an int or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)
