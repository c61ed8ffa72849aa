"""Exporting a line finder: what there is to know of it, and its folder. `hwr_jax.export` writes its other formats."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwr_jax.evaluation.run_files import group_of, read_json
from hwr_jax.files import write_bytes
from hwr_jax.ink.page_input import describe_page_input
from hwr_jax.line_finder import find_folder, load_network_of_run, load_trained_network
from hwr_jax.models.page_network import MAP_NAMES
from hwr_jax.models.parameter_files import NPZ
from hwr_jax.models.trained_network import TrainedNetwork, save_network
from hwr_jax.page_config import LINE_FINDER_FILE, MAP_STRIDE_PX
from hwr_jax.zoo.model_records import CARD_FILE, describe_terms
from hwr_jax.zoo.training_facts import gather_training

# What says how good these very parameters are, beside them.
_MEASURED = (CARD_FILE, "test.json")


@dataclasses.dataclass(frozen=True)
class LoadedFinder:
    """A line finder that is to be exported."""

    network: TrainedNetwork
    folder: Path  # exported, or of a run
    about: Mapping[str, Any]  # where it comes from: "checkpoint", "trained_on", "licence", and of a run "training"


def load_finder(name_or_run: str, *, checkpoint: str = "best", licence: str = "") -> LoadedFinder:
    """The line finder of that name, address, folder or run, with what is known of it.

    Args:
      name_or_run: as `hwr_jax.line_finder.load_line_finder` takes it.
      checkpoint: of a run, "best" or "latest".
      licence: a note on the data learnt from; "": what is known of them.

    Raises InputError: there is no such line finder, or it is damaged.
    """
    folder = find_folder(name_or_run)
    about: Mapping[str, Any]
    if (folder / "checkpoints").is_dir():
        network, about = load_network_of_run(folder, checkpoint), {"training": gather_training(folder)}
    else:
        network = load_trained_network(str(folder))
        about = group_of(read_json(folder / LINE_FINDER_FILE), "about")
    trained_on = about.get("trained_on") or list(network.experiment.data.names)
    licence = licence or about.get("licence") or describe_terms(trained_on)
    known = {"checkpoint": network.name, **about, "trained_on": trained_on, "licence": licence}
    return LoadedFinder(network, folder, known)


def export_line_finder(
    name_or_run: str, output: Path, *, checkpoint: str = "best", licence: str = "", format: str = NPZ
) -> TrainedNetwork:
    """Writes line_finder.json and the parameters, in float16, into a folder that `load_line_finder` takes.

    The card and the evaluation of an exported folder go along. `format` is one of `hwr_jax.models.parameter_files`,
    other arguments as of `load_finder`. Raises InputError: as that; or the network is one of your own.
    """
    loaded = load_finder(name_or_run, checkpoint=checkpoint, licence=licence)
    save_network(loaded.network, output, loaded.about, format)
    if (loaded.folder / LINE_FINDER_FILE).exists():
        for name in _MEASURED:
            if (loaded.folder / name).exists():
                write_bytes(output / name, (loaded.folder / name).read_bytes())
    return loaded.network


def describe_finder(loaded: LoadedFinder) -> dict[str, Any]:
    """What a program of others has to know of a line finder."""
    model = loaded.network.experiment.model
    return {
        "name": loaded.network.name,
        "maps": list(MAP_NAMES),
        "map_stride_px": MAP_STRIDE_PX,
        "stride_px": model.stride_px,
        "preprocessing": describe_page_input(model.long_side_px, model.most_enlarged, model.stride_px),
        "trained_on": loaded.about["trained_on"],
        "licence": loaded.about["licence"],
    }
