"""Names that were given up, so that runs, configs and models made before still load. Nothing here imports jax."""

from collections.abc import Mapping
from typing import Any

from hwr_jax.nested import flatten, unflatten

# Fields of a config, old to new.
FIELDS = {
    "data.fitting": "data.preprocessing",
    "data.stretch_x": "data.horizontal_scale",
    "model.stack": "model.encoder",
    "objective.loss": "losses.ctc or losses.keras_ctc, a weight",
    "objective.shortcut_weight": "losses.shortcut",
    "objective.smoothing": "losses.smoothing",
    "optimizer.average_decay": "optimizer.ema_decay",
}
# Groups of fields; `rename_config` knows their fields.
GROUPS = {"objective": "losses"}
# Values of fields, under the fields' new names.
VALUES = {"data.preprocessing": {"paper": "word"}}
# Values in metrics.jsonl and usage.json.
METRICS = {"train/words_per_second": "train/samples_per_second", "words_per_second": "samples_per_second"}

# Flags of commands.
FLAGS = {"--fitting": "--preprocessing"}


def rename_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of any version, nested, with the names of this one."""
    flat = flatten(config, ".")
    if loss := flat.pop("objective.loss", None):
        flat |= {f"losses.{name}": float(loss == name) for name in ("ctc", "keras_ctc")}
    flat = {FIELDS.get(name, name): value for name, value in flat.items()}
    if "data.preprocessing" in flat:
        flat.setdefault("data.split", "writer")  # There was no other before there was the field.
    return unflatten({name: VALUES.get(name, {}).get(str(value), value) for name, value in flat.items()}, ".")


def rename_metrics(values: Mapping[str, Any]) -> dict[str, Any]:
    """A line of metrics.jsonl, or usage.json, of any version with the names of this one."""
    return {METRICS.get(name, name): value for name, value in values.items()}
