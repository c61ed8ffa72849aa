"""Where language models and lexicons learn from: texts, a model's training labels, the package's English words."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.options import MODEL_HELP, Parser
from hwr_jax.errors import InputError
from hwr_jax.messages import describe_unread

if TYPE_CHECKING:
    from hwr_jax.models.trained import TrainedModel


def add_source_options(parser: Parser) -> None:
    """--model, --labels, --data_dir and --english_words."""
    parser.add_argument("--model", metavar="NAME_OR_PATH", help=f"the model it is for: {MODEL_HELP}")
    parser.add_argument(
        "--labels", action="store_true", help="add the labels that the model was trained on, none of other splits"
    )
    parser.add_argument("--data_dir", type=Path, metavar="DIR", help="holds the prepared data of these labels")
    parser.add_argument(
        "--english_words", action="store_true", help="add the English words that come with the package (SCOWL)"
    )


def load_recognizer(options: argparse.Namespace) -> "TrainedModel | None":
    """The model of --model; InputError where there is none of that name, or --labels without it."""
    from hwr_jax.training.load import load_model

    if options.labels and not options.model:
        raise InputError("--labels: of which model? give --model=NAME_OR_PATH too")
    return load_model(options.model) if options.model else None


def load_training_labels(model: "TrainedModel", data_dir: Path | None = None) -> tuple[str, ...]:
    """The labels of the training split by the rule that the model was trained with; InputError if not prepared."""
    from hwr_jax.result import data_config, load_samples

    config = data_config(model, data_dir=data_dir)
    return load_samples(config, "train", model).texts[: config.training_samples or None]


def read_lines(paths: Sequence[Path]) -> list[str]:
    """The lines of UTF-8 files, one after the other. Raises InputError for a file that is missing or no text."""
    from hwr_jax.data.archives import decode_text

    lines: list[str] = []
    for path in paths:
        try:
            lines += decode_text(path.read_bytes(), "utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as UTF-8 text: {describe_unread(error)}") from error
    return lines
