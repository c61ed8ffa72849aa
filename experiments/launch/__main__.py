"""One run, started as a sweep's runs are.

    python -m experiments.launch --launcher=slurm --workdir=runs/quickstart -- --config=quickstart
    python -m experiments.launch delete runs/quickstart

`delete` is for a TPU VM that a launch with --launcher=tpu_vm created.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.launch import tpu_vm
from experiments.launch.job import Job, make_train_command, seen_from_checkout
from experiments.launch.launchers import LAUNCHERS, add_launcher_flags
from hwr_jax.commands.options import Parser, load_config, run
from hwr_jax.config import resolve_config
from hwr_jax.errors import InputError

_USAGE = """python -m experiments.launch --launcher=NAME --workdir=DIR [...] -- --config=FILE.py[:arg] [...]
       python -m experiments.launch delete DIR [--dry_run]"""

_EPILOG = """What follows -- goes to hwr train. `delete` deletes the TPU VM that a launch into DIR created.
See docs/launching.md.

exit status: 0 all is well, or handed to a queue; 1 the input is wrong, or the run failed; 75 start me again
"""


def main(argv: Sequence[str]) -> int:
    if argv and argv[0] == "delete":
        parser = Parser(prog="python -m experiments.launch delete", description="Deletes what a launch created.")
        parser.add_argument("folder", type=Path, metavar="DIR", help="the --workdir of the launch, or of the sweep")
        parser.add_argument("--dry_run", action="store_true", help="print the command that would delete it")
        options = parser.parse_args(argv[1:])
        return tpu_vm.delete(options.folder.absolute(), dry_run=options.dry_run)
    if "--" not in argv and not {"-h", "--help"} & set(argv):
        raise InputError("give -- and the run's --config=FILE.py (see python -m experiments.launch --help)")
    middle = argv.index("--") if "--" in argv else len(argv)
    own, of_run = argv[:middle], argv[middle + 1 :]
    parser = Parser(prog="python -m experiments.launch", usage=_USAGE, description="Starts a run.", epilog=_EPILOG)
    parser.add_argument("--launcher", choices=LAUNCHERS, required=True)
    parser.add_argument("--workdir", type=Path, required=True, metavar="DIR", help="the run's folder")
    add_launcher_flags(parser)
    options = parser.parse_args(own)
    # Wrong fields are reported here and now, not from a queue.
    config, rest = load_config(of_run)
    resolve_config(config)
    if wrong := [arg for arg in rest if not arg.startswith("--init_from=")]:
        raise InputError(f"{wrong[0]}: after -- come --config=FILE.py, --config.a.b=VALUE and --init_from=MODEL alone")
    [config_file] = [arg.removeprefix("--config=") for arg in of_run if arg.startswith("--config=")]
    more = [arg for arg in of_run if not arg.startswith("--config=")]
    workdir = options.workdir.absolute()
    command = make_train_command(seen_from_checkout(config_file), workdir, more)
    return LAUNCHERS[options.launcher].launch([Job(command, workdir, workdir.name)], options)


if __name__ == "__main__":
    sys.exit(run("experiments.launch", main, sys.argv[1:], program=""))
