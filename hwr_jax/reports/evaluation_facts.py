"""What an evaluation's numbers were made from: parameters, prepared data, code and command."""

import platform
from importlib import metadata
from typing import Any

import jax

from hwr_jax.config import DataConfig
from hwr_jax.data.loading import ensure_prepared
from hwr_jax.data.split_rules import BY_WRITER
from hwr_jax.evaluation.fingerprint import fingerprint_parameters
from hwr_jax.training.workdir import VERSIONS_OF, command_line, git_revision
from hwr_jax.zoo.training_facts import describe_command


def describe_parameters(tree: Any) -> dict[str, str]:
    """The fingerprint of a model's parameters, for an evaluation's JSON."""
    return {"parameters_sha256": fingerprint_parameters(tree)}


def describe_evaluator() -> dict[str, Any]:
    """The command that evaluates, its code and where it runs, for an evaluation's JSON."""
    return {
        "evaluated_by": {
            "command": describe_command(command_line()),
            "git": git_revision(),
            "python": platform.python_version(),
            "versions": {name: metadata.version(name) for name in VERSIONS_OF},
            "devices": [str(device) for device in jax.devices()],
        }
    }


def describe_prepared(config: DataConfig) -> dict[str, Any]:
    """What prepared data hold, for an evaluation's JSON: all splits, though one is evaluated.

    Args:
      config: of data that are prepared. Splits are counted where writers tell them.

    Raises:
      InputError: the data are not prepared.
    """
    info = ensure_prepared(config)
    prepared = {
        "version": info.version,
        "source": info.source,
        "options": info.options,
        "skipped_reasons": info.skipped,
        "characters": info.characters,
    }
    if config.split == BY_WRITER:
        prepared["splits"] = {
            name: {"samples": split.samples, "writers": split.writers, "ids_hash": split.ids_sha256}
            for name, split in info.splits.items()
        }
    return {"prepared": prepared}
