"""`hwr train`: trains a model, or goes on with a run that stopped."""

import argparse
import sys
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
    from hwr_jax.ink.frame import FrameConfig
    from hwr_jax.strict import to_plain
    from hwr_jax.text.alphabet import resolve_alphabet
    from hwr_jax.training.loop import run_training
    from hwr_jax.training.signals import catch_stop_signals
    from hwr_jax.training.workdir import write_json, write_status

    alphabet = resolve_alphabet(config.model.alphabet)
    frame = FrameConfig(config.model.height_px, config.model.width_px, config.data.fitting)
    with catch_stop_signals() as stop:
        training, validation = _load_data(config, frame, alphabet, stop.poll_if_alone, speak=main_process)
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
        summary, write_page = _evaluate_test(config, frame, workdir, stop.poll)
        write_status(workdir, "done", step=outcome.step, cer=summary["cer"], wer=summary["wer"])
        write_page()  # After the status, which it shows.
        _tell_what_next(workdir, summary)
    return 0


def _load_data(
    config: "ExperimentConfig", frame: Any, alphabet: "Alphabet", poll: Callable[[], None], *, speak: bool
) -> "tuple[FittedSamples, FittedSamples]":
    from hwr_jax.data.labels import select_trainable
    from hwr_jax.data.loading import ensure_prepared, load_split

    with ProgressLine(f"preparing {config.data.name}") as line:

        def progress(done: int, total: int | None) -> None:
            poll()
            line(done, total)

        info = ensure_prepared(config.data, progress=progress, say=_say)
    poll()
    if speak:
        print(
            f"fitting {info.splits['train'].samples:,} images to {frame.width_px} x {frame.height_px} px",
            file=sys.stderr,
        )
    training = load_split(config.data, "train", frame, limit=config.data.training_samples)
    validation = load_split(config.data, "validation", frame, limit=config.data.validation_samples)
    poll()
    trainable = select_trainable(training, alphabet, config.model.frames)
    for what, part in (("training", trainable), ("validation", validation)):
        if not len(part):
            raise InputError(f"data {config.data.name!r}: no {what} samples are left; {_count_reasons(part.skipped)}")
    return trainable, validation


def _make_validate(
    config: "ExperimentConfig", alphabet: "Alphabet", validation: "FittedSamples"
) -> Callable[[Any, Callable[[], None]], Mapping[str, float]]:
    import jax

    from hwr_jax.evaluation.evaluate import evaluate_samples
    from hwr_jax.models.trained import make_log_probs
    from hwr_jax.strict import to_plain

    program = make_log_probs(to_plain(config), alphabet, config.data.fitting)

    def validate(parameters: Any, poll: Callable[[], None]) -> Mapping[str, float]:
        on_device = jax.device_put(parameters)
        evaluation = evaluate_samples(
            lambda frames: program(on_device, frames),
            alphabet,
            validation,
            batch_size=config.data.evaluation_batch_size,
            poll=poll,
        )
        losses = evaluation.losses
        return {
            "validation/cer": evaluation.totals.cer,
            "validation/wer": evaluation.totals.wer,
            "validation/loss": sum(losses) / max(len(losses), 1),
        }

    return validate


def _evaluate_test(
    config: "ExperimentConfig", frame: Any, workdir: Path, poll: Callable[[], None]
) -> tuple[Mapping[str, Any], Callable[[], Path]]:
    """Evaluates the best checkpoint on the test split (validation where there is none).

    Returns:
      The summary, and a function that writes report.html.
    """
    from hwr_jax.data.loading import load_split
    from hwr_jax.evaluation.evaluate import evaluate_samples, summarize
    from hwr_jax.evaluation.report import write_report
    from hwr_jax.evaluation.write import write_evaluation
    from hwr_jax.training.load import load_run

    model = load_run(workdir)
    for split in ("test", "validation"):
        samples = load_split(config.data, split, frame)
        if len(samples):
            break
    print(f"evaluating {len(samples):,} {split} samples with {model.name}", file=sys.stderr)
    evaluation = evaluate_samples(
        model.log_probs, model.alphabet, samples, batch_size=config.data.evaluation_batch_size, poll=poll
    )
    summary = summarize(evaluation, decoder="greedy", model=model.name, data=config.data.name, split=split)
    path = workdir / "evaluation" / f"{split}.json"
    write_evaluation(path, evaluation, summary, samples.frames_NxHxW)
    return summary, lambda: write_report(workdir, evaluation, samples.frames_NxHxW, summary)


def _describe(
    config: "ExperimentConfig",
    alphabet: "Alphabet",
    training: "FittedSamples",
    validation: "FittedSamples",
    workdir: Path,
) -> None:
    import jax

    from hwr_jax.models.recognizer import layer_table
    from hwr_jax.training.devices import choose_kind

    parameters = sum(row.parameters for row in layer_table(config.model, alphabet.num_classes))
    steps = config.training.total_steps(len(training), config.data.batch_size)
    devices = f"{jax.device_count()} {jax.devices()[0].platform} device" + "s" * (jax.device_count() > 1)
    kind = choose_kind(config.training.parallel)
    _say(f"{parameters:,} parameters, {len(alphabet.characters)} characters, {kind} on {devices}")
    _say(
        f"{len(training):,} training samples of {len(set(training.writers))} writers, "
        f"{len(validation):,} validation samples of {len(set(validation.writers))} others; "
        f"{steps:,} steps of {config.data.batch_size} into {workdir}"
    )
    for what, part in (("training", training), ("validation", validation)):
        if part.skipped:
            _say(f"left out of {what}, by name in left_out.json: {_count_reasons(part.skipped)}")


def _count_reasons(skipped: Mapping[str, str]) -> str:
    from hwr_jax.data.builders import describe_skips

    reasons: dict[str, int] = {}
    for reason in skipped.values():
        reasons[reason] = reasons.get(reason, 0) + 1
    return describe_skips(reasons)


def _tell_what_next(workdir: Path, summary: Mapping[str, Any]) -> None:
    print(
        f"{summary['split']} CER {summary['cer']:.2%}  WER {summary['wer']:.2%}  ({summary['samples']:,} samples of "
        f"{summary['writers']} writers not trained on)\n"
        f"Look at it:    {workdir}/report.html\n"
        f"Read images:   hwr read --model={workdir} IMAGE ...\n"
        f"Your own data: hwr data prepare NAME --source=PATH, then hwr train --config=configs/unipen_words.py "
        "--config.data.name=NAME --workdir=runs/own\n"
        f"Change a thing: hwr train --config=configs/quickstart.py --config.optimizer.learning_rate=1e-3 "
        "--workdir=runs/slower"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run("train", main, sys.argv[1:]))
