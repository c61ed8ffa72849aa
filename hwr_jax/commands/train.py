"""`hwr train`: trains a model, or goes on with a run that stopped."""

import gc
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import Parser, load_config, run
from hwr_jax.commands.progress import ProgressLine

if TYPE_CHECKING:
    import numpy as np

    from hwr_jax.config import ExperimentConfig
    from hwr_jax.data.preprocessed import PreprocessedSamples
    from hwr_jax.text.alphabet import Alphabet
    from hwr_jax.training.signals import StopRequest

PREEMPTED = 75

_EPILOG = """Fields of the config are overridden with --config.GROUP.FIELD=VALUE, for example
--config.optimizer.learning_rate=3e-4. The same command starts a run and, when it was stopped, goes on with it.

exit status: 0 done; 1 the input is wrong, or the run diverged; 75 stopped by a signal and saved: start me again
"""


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Looks for garbage less often: what imports and traces make stays, and looking takes a tenth of a start."""
    before = gc.get_threshold()
    gc.set_threshold(50_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@collecting_rarely()
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
    from hwr_jax.training.processes import find_processes, joined
    from hwr_jax.training.workdir import hold, write_status

    config = resolve_config(config_dict)
    processes = find_processes(args.coordinator, args.num_processes, args.process_id, os.environ)
    if processes is None:
        with hold(args.workdir):
            return _train(config, args.workdir, args.init_from)
    import jax

    def tell_loss(line: str) -> None:
        print(f"hwr train: {line}", file=sys.stderr, flush=True)
        if jax.process_index() == 0:
            _try(lambda: write_status(args.workdir, "failed", message=line))

    with joined(processes, tell_loss), hold(args.workdir) if jax.process_index() == 0 else nullcontext():
        return _train(config, args.workdir, args.init_from)


def _parser() -> Parser:
    parser = Parser(
        prog="hwr train",
        description="Trains a model, or goes on with a run that stopped.",
        usage="hwr train --config=FILE.py[:arg] --workdir=DIR [--config.a.b=VALUE ...]",
        epilog=_EPILOG,
    )
    parser.add_argument("--workdir", type=Path, required=True, help="the run's folder; made if it is not there")
    parser.add_argument(
        "--init_from",
        metavar="NAME_OR_PATH",
        help="begin with the parameters of this model (shipped, exported, or a workdir); characters it lacks begin new",
    )
    several = parser.add_argument_group("several processes (each with the same command but for its --process_id)")
    several.add_argument(
        "--coordinator", metavar="HOST:PORT", help="of process 0; found on TPU pods and in Slurm steps"
    )
    several.add_argument("--num_processes", type=int, metavar="N")
    several.add_argument("--process_id", type=int, metavar="I")
    return parser


def _train(config: "ExperimentConfig", workdir: Path, init_from: str | None) -> int:
    import jax

    from hwr_jax.strict import to_plain
    from hwr_jax.training.signals import Preempted
    from hwr_jax.training.workdir import check_config, command_line, write_environment, write_status

    main_process = jax.process_index() == 0
    if main_process:
        check_config(workdir, to_plain(config))
        write_environment(workdir, command_line(), [str(device) for device in jax.devices()])
    try:
        return _run(config, workdir, main_process, init_from)
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


def _run(config: "ExperimentConfig", workdir: Path, main_process: bool, init_from: str | None) -> int:
    from hwr_jax.strict import to_plain
    from hwr_jax.training.loop import run_training
    from hwr_jax.training.signals import catch_stop_signals
    from hwr_jax.training.workdir import write_json

    with catch_stop_signals() as stop:
        say = _say if main_process else _say_nothing
        alphabet = find_run_alphabet(config, workdir, main_process, say=say, poll=stop.poll_if_alone)
        initial = _make_initial(init_from, alphabet, workdir, main_process, say)
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
            validate=make_validate(config, alphabet, validation),
            stop=stop,
            initial=initial,
        )
        if outcome.status != "done":
            print(f"hwr train: {outcome.status}: {outcome.message}", file=sys.stderr)
            return PREEMPTED if outcome.status == "preempted" else 1
        if not main_process:
            return 0
        _tell_what_next(workdir, conclude(config, workdir, outcome.step, stop))
    return 0


def conclude(config: "ExperimentConfig", workdir: Path, step: int, stop: "StopRequest") -> Mapping[str, Any]:
    """Evaluates a run that has done its last step, and says that it is done. Returns the summary.

    Raises:
      Preempted: a signal came; nothing was written.
    """
    from hwr_jax.reports.run import evaluate_run
    from hwr_jax.training.load import load_run
    from hwr_jax.training.workdir import write_status

    model = load_run(workdir)
    summary, write_page = evaluate_run(
        model.log_probs,
        model.alphabet,
        config,
        workdir,
        model=model.name,
        parameters=model.parameters,
        tree=model.tree,
        say=_say,
        poll=stop.poll,
    )
    write_status(workdir, "done", step=step, cer=summary["cer"], wer=summary["wer"])
    write_page()  # After the status, which it shows.
    return summary


def load_data(
    config: "ExperimentConfig", alphabet: "Alphabet", *, say: Callable[[str], None], poll: Callable[[], None]
) -> "tuple[PreprocessedSamples, PreprocessedSamples]":
    """Training and validation samples, prepared with a progress line if need be.

    Args:
      config: of the run.
      alphabet: of its model.
      say: called with a line on what takes time.
      poll: called often; an exception it raises ends it.

    Raises:
      InputError: the data are not there, or no samples are left.
    """
    from hwr_jax.data.loading import load_for_training

    _prepare(config, say, poll)
    return load_for_training(config, alphabet, say=say, poll=poll)


def _prepare(config: "ExperimentConfig", say: Callable[[str], None], poll: Callable[[], None]) -> None:
    from hwr_jax.data.loading import ensure_prepared

    with ProgressLine(f"preparing {config.data.name}") as line:

        def progress(done: int, total: int | None) -> None:
            poll()
            line(done, total)

        ensure_prepared(config.data, progress=progress, say=say)
    poll()


def find_run_alphabet(
    config: "ExperimentConfig",
    workdir: Path,
    main_process: bool,
    *,
    say: Callable[[str], None],
    poll: Callable[[], None],
) -> "Alphabet":
    """What the config names, or the characters of the training split, which is prepared if need be.

    Args:
      config: of the run.
      workdir: of the run, which keeps the training split's characters.
      main_process: whether this process writes there.
      say: called with a line on what takes time.
      poll: called often; an exception it raises ends it.

    Raises:
      InputError: the data are not there, or the run began with other characters.
    """
    from hwr_jax.data.loading import find_alphabet
    from hwr_jax.text.alphabet import FROM_TRAINING, resolve_alphabet
    from hwr_jax.training.alphabet_file import hold_alphabet

    if config.model.alphabet != FROM_TRAINING:
        return resolve_alphabet(config.model.alphabet)
    _prepare(config, say, poll)
    alphabet = find_alphabet(config)
    if main_process:
        hold_alphabet(workdir, alphabet)
    say(f"alphabet of the training split: {alphabet.characters}")
    return alphabet


def _make_initial(
    init_from: str | None, alphabet: "Alphabet", workdir: Path, main_process: bool, say: Callable[[str], None]
) -> Callable[[Any], Any] | None:
    """Makes the first parameters from those a new model begins with; None leaves them."""
    from hwr_jax.training.init_from import carry_over, compare_characters, find_init_from, write_init_from
    from hwr_jax.training.load import load_model

    name = find_init_from(workdir, init_from)
    if name is None:
        return None
    model = load_model(name)
    changes = compare_characters(model.alphabet, alphabet)
    if main_process:
        write_init_from(workdir, name, changes)
    say(f"begins with the parameters of {model.name}: {changes.describe()}")
    return lambda fresh: carry_over(model.tree, model.alphabet, fresh, alphabet, name)[0]


def make_validate(
    config: "ExperimentConfig", alphabet: "Alphabet", validation: "PreprocessedSamples"
) -> Callable[[Any, Callable[[], None]], Mapping[str, float]]:
    """Returns what measures the validation split during training, see `hwr_jax.training.trial.Validate`."""
    import jax

    from hwr_jax.ink.width import cut_to_ink
    from hwr_jax.models.trained import make_log_probs
    from hwr_jax.strict import to_plain

    program = make_log_probs(to_plain(config), alphabet, config.data.preprocessing)

    def validate(parameters: Any, poll: Callable[[], None]) -> Mapping[str, float]:
        from hwr_jax.reports.run import measure_validation  # The first step does not wait for it.

        on_device = jax.device_put(parameters)

        def log_probs(images_BxHxW: "np.ndarray") -> "np.ndarray":
            return program(on_device, cut_to_ink(images_BxHxW, config.data.preprocessing))

        return measure_validation(log_probs, alphabet, validation, config, poll)

    return validate


def _describe(
    config: "ExperimentConfig",
    alphabet: "Alphabet",
    training: "PreprocessedSamples",
    validation: "PreprocessedSamples",
    workdir: Path,
) -> None:
    import jax

    from hwr_jax.data.buckets import buckets_of
    from hwr_jax.data.sample import describe_skips
    from hwr_jax.data.split_rules import rule_name
    from hwr_jax.models.cpu_kernels import library
    from hwr_jax.models.recognizer import layer_table
    from hwr_jax.training.devices import choose_kind

    parameters = sum(row.parameters for row in layer_table(config.model, alphabet.num_classes))
    steps = config.total_steps(len(training))
    devices = f"{jax.device_count()} {jax.devices()[0].platform} device" + "s" * (jax.device_count() > 1)
    kind = choose_kind(config.training.parallel)
    _say(f"{parameters:,} parameters, {len(alphabet.characters)} characters, {kind} on {devices}")
    if kernels := library.describe():
        _say(kernels)
    _say(
        f"{len(training):,} training samples of {len(set(training.writers))} writers, "
        f"{len(validation):,} validation samples of {len(set(validation.writers))} writers "
        f"(split rule {rule_name(config.data.split)}); {steps:,} steps of {config.data.batch_size} into {workdir}"
    )
    if buckets := buckets_of(training.widths_N, config):
        padding = f"{100 * buckets.padding_share:.0f} % of it padding"
        _say(f"batches {', '.join(map(str, buckets.widths))} px wide, {padding}")
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
