"""Which runs of a sweep can train as one program."""

import json
from collections.abc import Sequence

from experiments.sweeps.expand import Run
from hwr_jax.config import NUMBERS
from hwr_jax.nested import flatten


def group_runs(runs: Sequence[Run], at_once: int) -> list[list[Run]]:
    """The runs in their order, in groups of at most `at_once` that differ in nothing but `hwr_jax.config.NUMBERS`.

    With images of any width the seed must be the same too: it decides how wide the batch of a step is.
    """
    groups: dict[str, list[list[Run]]] = {}
    ordered: list[list[Run]] = []
    for run in runs:
        values = flatten(run.config, ".")
        same = ("seed",) if values["data.preprocessing"] == "line" else ()
        rest = {name: value for name, value in values.items() if name not in NUMBERS or name in same}
        alike = groups.setdefault(json.dumps(rest, sort_keys=True), [])
        if not alike or len(alike[-1]) == at_once:
            alike.append([])
            ordered.append(alike[-1])
        alike[-1].append(run)
    return ordered
