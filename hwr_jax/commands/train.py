"""`hwr train`: trains a model, or goes on with a run that stopped."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.main import run
from hwr_jax.commands.options import Parser, load_config
from hwr_jax.commands.progress import ProgressLine
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.config import ExperimentConfig
    from hwr_jax.data.fitted import FittedSamples
    from hwr_jax.text.alphabet import Alphabet

PREEMPTED = 75

_EPILOG = """Fields of the config are overridden with --config.GROUP.FIELD=VALUE, for example
--config.optimizer.learning_rate=3e-4. The same command starts a run and, when it was stopped, goes on with it.

exit status: 0 done; 1 the input is wrong, or the run diverged; 75 stopped by a signal and saved: start me again
"""


def main(argv: Sequence[str]) -> int:
    """Runs `hwr train ...`. Returns the exit status.

    Raises:
      InputError: wrong flags, config, data or workdir.
      OSError: the workdir cannot be written.
    """
    options = _parser()
    if any(arg in ("-h", "--help") for arg in argv):
        options.print_help()
        return 0
    config_dict, rest = load_config(argv)
    args = options.parse_args(rest)

    from hwr_jax.config import resolve_config
    from hwr_jax.training.workdir import hold

    config = resolve_config(config_dict)
    _initialize_distributed(args)
    if args.process_id:
        return _train(config, args.workdir)
    with hold(args.workdir):
        return _train(config, args.workdir)


def _parser() -> Parser:
    parser = Parser(
        prog="hwr train",
        description="Trains a model, or goes on with a run that stopped.",
        usage="hwr train --config=FILE.py[:arg] --workdir=DIR [--config.a.b=VALUE ...]",
        epilog=_EPILOG,
    )
    parser.add_argument("--workdir", type=Path, required=True, help="the run's folder; made if it is not there")
    several = parser.add_argument_group("several processes (each with the same command but for its --process_id)")
    several.add_argument("--coordinator", metavar="HOST:PORT", help="of process 0; auto on TPU pods and Slurm")
    several.add_argument("--num_processes", type=int, metavar="N")
    several.add_argument("--process_id", type=int, default=0, metavar="I")
    return parser


def _initialize_distributed(args: argparse.Namespace) -> None:
    if not args.coordinator:
        if args.num_processes or args.process_id:
            raise InputError("--num_processes and --process_id need --coordinator=HOST:PORT")
        return
    import jax

    if args.coordinator == "auto":
        jax.distributed.initialize()
        args.process_id = jax.process_index()
        return
    if not args.num_processes or not 0 <= args.process_id < args.num_processes:
        raise InputError("--coordinator needs --num_processes=N and --process_id from 0 to N - 1")
    jax.distributed.initialize(args.coordinator, args.num_processes, args.process_id)


def _train(config: "ExperimentConfig", workdir: Path) -> int:
    import jax

    from hwr_jax.strict import to_plain
    from hwr_jax.training.signals import Preempted
    from hwr_jax.training.workdir import check_config, command_line, write_environment, write_status

    main_process = jax.process_index() == 0
    if main_process:
        check_config(workdir, to_plain(config))
        write_environment(workdir, command_line(), [str(device) for device in jax.devices()])
    try:
        return _run(config, workdir, main_process)
    except Preempted as signal:  # While data are prepared, or in the final evaluation: there is nothing to save.
        message = f"{signal}: the same command goes on"
        if main_process:
            write_status(workdir, "preempted", message=message)
        print(f"hwr train: preempted: {message}", file=sys.stderr)
        return PREEMPTED
    except BaseException as error:
        if main_process:
            message = " ".join(str(error).split()) or type(error).__name__
            _try(lambda: write_status(workdir, "failed", message=message))
        raise


def _try(write: Callable[[], None]) -> None:
    """A last word on a disk that may be full: the error that led here is the one to tell."""
    try:
        write()
    except OSError as error:
        print(f"hwr train: status not written: {error}", file=sys.stderr)


def _run(config: "ExperimentConfig", workdir: Path, main_process: bool) -> int:
    from hwr_jax.evaluation.run import evaluate_run
    from hwr_jax.strict import to_plain
    from hwr_jax.text.alphabet import resolve_alphabet
    from hwr_jax.training.load import load_run
    from hwr_jax.training.loop import run_training
    from hwr_jax.training.signals import catch_stop_signals
    from hwr_jax.training.workdir import write_json, write_status

    alphabet = resolve_alphabet(config.model.alphabet)
    with catch_stop_signals() as stop:
        say = _say if main_process else _say_nothing
        training, validation = load_data(config, alphabet, say=say, poll=stop.poll_if_alone)
        if main_process:
            _describe(config, alphabet, training, validation, workdir)
            left_out = {"training": training.skipped, "validation": validation.skipped}
            write_json(workdir / "left_out.json", left_out)
        plain = to_plain(config)
        outcome = run_training(
            config,
            training,
            alphabet=alphabet,
            workdir=workdir,
            about={"config": plain, "alphabet": alphabet.characters},
            validate=_make_validate(config, alphabet, validation),
            stop=stop,
        )
        if outcome.status != "done":
            print(f"hwr train: {outcome.status}: {outcome.message}", file=sys.stderr)
            return PREEMPTED if outcome.status == "preempted" else 1
        if not main_process:
            return 0
        model = load_run(workdir)
        summary, write_page = evaluate_run(
            model.log_probs,
            model.alphabet,
            config,
            workdir,
            model=model.name,
            parameters=model.parameters,
            say=_say,
            poll=stop.poll,
        )
        write_status(workdir, "done", step=outcome.step, cer=summary["cer"], wer=summary["wer"])
        write_page()  # After the status, which it shows.
        _tell_what_next(workdir, summary)
    return 0


def load_data(
    config: "ExperimentConfig", alphabet: "Alphabet", *, say: Callable[[str], None], poll: Callable[[], None]
) -> "tuple[FittedSamples, FittedSamples]":
    """Training and validation samples, prepared with a progress line if need be.

    Args:
      config: of the run.
      alphabet: of its model.
      say: called with a line on what takes time.
      poll: called often; an exception it raises ends it.

    Raises:
      InputError: the data are not there, or no samples are left.
    """
    from hwr_jax.data.loading import ensure_prepared, load_for_training

    with ProgressLine(f"preparing {config.data.name}") as line:

        def progress(done: int, total: int | None) -> None:
            poll()
            line(done, total)

        ensure_prepared(config.data, progress=progress, say=say)
    poll()
    return load_for_training(config, alphabet, say=say, poll=poll)


def _make_validate(
    config: "ExperimentConfig", alphabet: "Alphabet", validation: "FittedSamples"
) -> Callable[[Any, Callable[[], None]], Mapping[str, float]]:
    import jax

    from hwr_jax.evaluation.run import measure_validation
    from hwr_jax.models.trained import make_log_probs
    from hwr_jax.strict import to_plain

    program = make_log_probs(to_plain(config), alphabet, config.data.fitting)

    def validate(parameters: Any, poll: Callable[[], None]) -> Mapping[str, float]:
        on_device = jax.device_put(parameters)
        return measure_validation(lambda frames: program(on_device, frames), alphabet, validation, config, poll)

    return validate


def _describe(
    config: "ExperimentConfig",
    alphabet: "Alphabet",
    training: "FittedSamples",
    validation: "FittedSamples",
    workdir: Path,
) -> None:
    import jax

    from hwr_jax.data.builders import describe_skips
    from hwr_jax.data.split_rules import rule_name
    from hwr_jax.models.recognizer import layer_table
    from hwr_jax.training.devices import choose_kind

    parameters = sum(row.parameters for row in layer_table(config.model, alphabet.num_classes))
    steps = config.total_steps(len(training))
    devices = f"{jax.device_count()} {jax.devices()[0].platform} device" + "s" * (jax.device_count() > 1)
    kind = choose_kind(config.training.parallel)
    _say(f"{parameters:,} parameters, {len(alphabet.characters)} characters, {kind} on {devices}")
    _say(
        f"{len(training):,} training samples of {len(set(training.writers))} writers, "
        f"{len(validation):,} validation samples of {len(set(validation.writers))} writers "
        f"(split rule {rule_name(config.data.split)}); {steps:,} steps of {config.data.batch_size} into {workdir}"
    )
    for what, part in (("training", training), ("validation", validation)):
        if part.skipped:
            _say(f"left out of {what}, by name in left_out.json: {describe_skips(Counter(part.skipped.values()))}")


def _tell_what_next(workdir: Path, summary: Mapping[str, Any]) -> None:
    from hwr_jax.data.splits import SPLIT_RULE

    unseen = " not trained on" if summary["split_rule"] == SPLIT_RULE else f", split rule {summary['split_rule']}"
    print(
        f"{summary['split']} CER {summary['cer']:.2%}  WER {summary['wer']:.2%}  ({summary['samples']:,} samples of "
        f"{summary['writers']} writers{unseen})\n"
        f"Look at it:    {workdir}/report.html\n"
        f"Read images:   hwr read --model={workdir} IMAGE ...\n"
        f"Your own data: hwr data prepare NAME --source=PATH, then hwr train --config=configs/unipen_words.py "
        "--config.data.name=NAME --workdir=runs/own\n"
        f"Change a thing: hwr train --config=configs/quickstart.py --config.optimizer.learning_rate=1e-3 "
        "--workdir=runs/slower"
    )


def _say_nothing(line: str) -> None:
    """For processes other than the first."""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run("train", main, sys.argv[1:]))
