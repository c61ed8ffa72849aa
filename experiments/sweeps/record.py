"""sweep.json: what a sweep's folder holds, so that the folder alone can be asked about it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.sweeps.runs import SEED, Run, settings
from hwr_jax.config import ExperimentConfig
from hwr_jax.errors import InputError
from hwr_jax.evaluation.run_files import read_json_if_whole
from hwr_jax.nested import flatten, unflatten
from hwr_jax.renames import rename_config
from hwr_jax.strict import to_plain
from hwr_jax.training.workdir import git_revision, write_json

RECORD_FILE = "sweep.json"


@dataclasses.dataclass(frozen=True)
class Record:
    config_file: str  # FILE.py[:arg]
    overrides: tuple[str, ...]  # command line arguments for all points
    git: str  # revision of the code when runs were last started
    runs: tuple[Run, ...]  # in the sweep's order, those of earlier versions last


def load_record(folder: Path) -> Record:
    """Raises InputError where there is none, or a damaged one."""
    path = folder / RECORD_FILE
    if not path.exists():
        raise InputError(
            f"{folder}: holds no sweep; start one with --config=FILE.py --workdir={folder} --launcher=local"
        )
    recorded = read_json_if_whole(path)
    try:
        runs = tuple(Run(**run | _modernize(run["point"], run["config"])) for run in recorded["runs"])
        return Record(recorded["config_file"], tuple(recorded["overrides"]), recorded["git"], runs)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: damaged; delete it and start the sweep again: runs that are done stay done"
        ) from error


def find_record(folder: Path) -> Record | None:
    """The folder's record, None where it has none. Raises InputError for a damaged one."""
    return load_record(folder) if (folder / RECORD_FILE).exists() else None


def keep_names(runs: Sequence[Run], before: Record | None) -> list[Run]:
    """The runs, under the names that the folder knows them by: a version with fewer fields gave other hashes."""

    def numbers(config: Mapping[str, Any]) -> str:
        return repr((config[SEED], sorted(settings(config).items())))

    names = {numbers(run.config): run.name for run in before.runs} if before else {}
    return [dataclasses.replace(run, name=names.get(numbers(run.config), run.name)) for run in runs]


def write_record(
    folder: Path, config_file: str, overrides: Sequence[str], runs: Sequence[Run], before: Record | None = None
) -> Record:
    """Writes sweep.json; the runs of `before` stay in it. Raises InputError where that is of another config file."""
    if before and before.config_file != config_file:
        raise InputError(
            f"--workdir={folder}: holds the sweep of {before.config_file}, not {config_file}; choose another"
        )
    names = {run.name for run in runs}
    stay = [dataclasses.replace(run, in_sweep=False) for run in before.runs if run.name not in names] if before else []
    record = Record(config_file, tuple(overrides), git_revision(), (*runs, *stay))
    plain = [{name: getattr(run, name) for name in ("name", "point", "config", "in_sweep")} for run in record.runs]
    write_json(folder / RECORD_FILE, dataclasses.asdict(record) | {"runs": plain})
    return record


def describe_change(before: Record | None, after: Record) -> str:
    """One line on what `write_record` added and kept, "" where nothing changed."""
    if before is None:
        return ""
    old = {run.name for run in before.runs}
    added = sum(run.name not in old for run in after.runs)
    kept = sum(not run.in_sweep for run in after.runs)
    parts = [f"{added} of {len(after.runs) - kept} points are new"] if added else []
    parts += [f"{kept} of earlier versions stay as they are and are not started"] if kept else []
    return f"the sweep has changed: {', '.join(parts)}" if parts else ""


def _modernize(point: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What an older version wrote, under today's names; it ran with the defaults of fields that are new since."""
    complete = flatten(to_plain(ExperimentConfig()), ".") | flatten(rename_config(config), ".")
    return {"point": flatten(rename_config(point), "."), "config": unflatten(complete, ".")}
