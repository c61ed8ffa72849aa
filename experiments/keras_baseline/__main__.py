"""`python -m experiments.keras_baseline`: trains the same model, on the same batches, with Keras itself."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.options import Parser, load_config, run
from hwr_jax.config import resolve_config
from hwr_jax.models.keras_model import BACKENDS, import_keras

_EPILOG = """The run's folder holds what `hwr train` writes: config.json, environment.json, status.json, metrics.jsonl,
usage.json, evaluation/ and report.html; and model.keras, the weights of lowest validation CER. A run that is stopped
starts anew.
"""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status. Raises InputError for wrong input, or where there is no Keras."""
    parser = Parser(
        prog="keras_baseline",
        description="Trains the Keras model by a config of ours: the same layers, batches, loss and optimizer.",
        usage="python -m experiments.keras_baseline --config=FILE.py[:arg] --workdir=DIR --backend=BACKEND",
        epilog=_EPILOG,
    )
    parser.add_argument("--workdir", type=Path, required=True, help="the run's folder; made if it is not there")
    parser.add_argument("--backend", choices=BACKENDS, required=True, help="what Keras runs on")
    if any(arg in ("-h", "--help") for arg in argv):
        parser.print_help()
        return 0
    config_dict, rest = load_config(argv)
    options = parser.parse_args(rest)
    config = resolve_config(config_dict)

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    import_keras(options.backend)
    from experiments.keras_baseline.training import train

    result = train(config, options.workdir)
    split = result.summary["split"]
    print(f"{split} CER {result.cer:.2%}  WER {result.wer:.2%}  ({result.samples:,} samples)")
    return 0


if __name__ == "__main__":
    sys.exit(run("experiments.keras_baseline", main, sys.argv[1:], program=""))
