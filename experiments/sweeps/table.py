"""A point of a sweep as people write it."""

from collections.abc import Mapping
from typing import Any

from hwr_jax.reports.tables import show_value


def write_point(values: Mapping[str, Any]) -> str:
    """Fields and values: "optimizer.learning_rate=0.003 seed=1"."""
    return " ".join(f"{name}={show_value(value)}" for name, value in values.items())
