"""`hwr export`: a run's parameters as a small folder."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.main import run
from hwr_jax.commands.options import Parser


def main(argv: Sequence[str]) -> int:
    """Writes model.json and parameters.npz of a run's best or latest checkpoint."""
    parser = Parser(
        prog="hwr export",
        description="A run's parameters as a folder of two files that `hwr read` and `hwr evaluate` take as --model.",
    )
    parser.add_argument("--workdir", type=Path, required=True, help="the run's folder")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")
    parser.add_argument("--checkpoint", choices=("best", "latest"), default="best")
    options = parser.parse_args(argv)

    import dataclasses

    from hwr_jax.models.trained import save_exported
    from hwr_jax.training.load import load_run, run_environment

    model = load_run(options.workdir, options.checkpoint)
    environment = run_environment(options.workdir)
    about = {name: environment.get(name) for name in ("git", "versions")} | {"checkpoint": model.name}
    save_exported(dataclasses.replace(model, name=options.output.resolve().name), options.output, about)
    size = (options.output / "parameters.npz").stat().st_size
    print(f"{options.output}: {model.parameters:,} parameters, {size / 1e6:.2f} MB, from {model.name}")
    return 0


if __name__ == "__main__":
    sys.exit(run("export", main, sys.argv[1:]))
