"""Where language models and lexicons learn from: a recognizer's training labels and the package's English words."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.options import Parser
from hwr_jax.errors import InputError
from hwr_jax.progress import ProgressLine

if TYPE_CHECKING:
    from hwr_jax.models.trained import TrainedModel


def add_source_options(parser: Parser) -> None:
    """--model, --labels, --data_dir and --english_words."""
    parser.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        help="the recognizer it is for: a shipped model, an exported folder, a workdir",
    )
    parser.add_argument(
        "--labels",
        action="store_true",
        help="take the labels that the model was trained on; never those of other splits",
    )
    parser.add_argument("--data_dir", type=Path, help="holds the prepared data of these labels (default: as the model)")
    parser.add_argument(
        "--english_words", action="store_true", help="take the English words that come with the package (SCOWL)"
    )


def load_recognizer(options: argparse.Namespace) -> "TrainedModel | None":
    """The model of --model.

    Raises:
      InputError: there is no such model, or --labels without it.
    """
    from hwr_jax.training.load import load_model

    if options.labels and not options.model:
        raise InputError("--labels: of which model? give --model=NAME_OR_PATH too")
    return load_model(options.model) if options.model else None


def load_training_labels(model: "TrainedModel", data_dir: Path | None) -> tuple[str, ...]:
    """The labels of the training split by the rule that the model was trained with.

    Raises:
      InputError: the data are not prepared.
    """
    import dataclasses

    from hwr_jax.config import DataConfig
    from hwr_jax.data.loading import ensure_prepared, load_split
    from hwr_jax.strict import build_dataclass

    config = build_dataclass(DataConfig, model.config["data"], "data")
    config = dataclasses.replace(config, data_dir=str(data_dir) if data_dir else config.data_dir)
    with ProgressLine(config.name) as progress:
        ensure_prepared(config, progress=progress)
    return load_split(config, "train", model.preprocessing, limit=config.training_samples).texts


def read_lines(paths: Sequence[Path]) -> list[str]:
    """The lines of UTF-8 files, one after the other.

    Raises:
      InputError: a file is missing or no text.
    """
    lines: list[str] = []
    for path in paths:
        try:
            lines += path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    return lines
