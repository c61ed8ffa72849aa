"""A whole run as a function: data, training, validation, checkpoints, the final evaluation and every file it leaves."""

import dataclasses
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
from ml_collections import ConfigDict

from hwr_jax.config import ExperimentConfig
from hwr_jax.config_files import open_config_file
from hwr_jax.data.loading import load_for_training
from hwr_jax.models import ops
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.page_config import AnyConfig, PageExperimentConfig, resolve_any_config
from hwr_jax.page_run import train_line_finder
from hwr_jax.progress import report
from hwr_jax.run_start import describe_start, settle_alphabet, settle_data
from hwr_jax.strict import to_plain
from hwr_jax.training.init_from import load_beginning
from hwr_jax.training.line_finding import build_page_parts
from hwr_jax.training.load import load_run
from hwr_jax.training.loop import run_training
from hwr_jax.training.parts import Parts, build_parts, parts_of_file
from hwr_jax.training.processes import find_processes, joined
from hwr_jax.training.recognition import recognition_task
from hwr_jax.training.signals import Preempted, StopRequest, catch_stop_signals
from hwr_jax.training.tracker import OpenTracker
from hwr_jax.training.trackers import find_trackers
from hwr_jax.training.vectorized import train_vectorized
from hwr_jax.training.workdir import (
    adopt,
    check_config,
    command_line,
    has_checkpoints,
    hold,
    latest_step,
    write_environment,
    write_status,
)
from hwr_jax.validation import make_validate

if TYPE_CHECKING:
    from hwr_jax.result import Result

GOES_ON = "the same command goes on"
Config: TypeAlias = AnyConfig | ConfigDict | str | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class Run:
    """How a run ended.

    Attributes:
      status: "done"; "preempted": stopped by a signal, and the same call goes on; or "diverged": the loss, a gradient
        or a parameter was not finite, and the last good checkpoint is kept.
      step: the last one that was run, or saved where a signal came before the first or after the last.
      workdir: the run's folder.
      message: one line for people.
      evaluation: of the best checkpoint on the test split; None unless the run is done, and in processes but the first.
    """

    status: str
    step: int
    workdir: Path
    message: str
    evaluation: "Result | None" = None


def train(
    config: Config,
    workdir: str | os.PathLike[str],
    parts: Parts | None = None,
    *,
    init_from: str | None = None,
    extend: bool = False,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    profile_steps: int = 0,
) -> Run:
    """Trains a model, or goes on with a run that stopped, and evaluates it. `hwr train` is this call.

    SIGTERM and Ctrl-C stop the run after a save, where this is the main thread. Progress goes to stderr.

    Args:
      config: of the experiment: `hwr_jax.config.ExperimentConfig`, a ConfigDict such as a config file returns, or the
        name or path of a config file ("quickstart", "mine.py:arg").
      workdir: the run's folder; made if it is not there. A run that was stopped goes on bit for bit.
      parts: of one's own, see `hwr_jax.training.parts.Parts`; None: those of a config file's `parts(config)` where it
        has one, else those that the config names.
      init_from: name or path of a model to begin with the parameters of; characters it lacks begin new. The config
        "finetune:MODEL" has the layers of that model and a gentle recipe.
      extend: whether the config may make a run longer that has begun with fewer steps.
      coordinator: HOST:PORT of process 0, for several processes that each make this call; found on TPU pods and in
        Slurm steps.
      profile_steps: so many are profiled, after the first two programs: the run's folder gets a trace in profile/, and
        profile/summary.txt with the ten costliest operations.
      num_processes: how many they are.
      process_id: which this one is, from 0.

    Raises:
      InputError: wrong config, data or workdir: another run is in the folder, or at work there.
      OSError: the folder cannot be written.
    """
    config, parts = _resolve(config, parts)
    workdir = Path(workdir)
    processes = find_processes(coordinator, num_processes, process_id, os.environ)
    if processes is None:
        return train_together(
            [config], [workdir], parts, init_from=init_from, extend=extend, profile_steps=profile_steps
        )[0]

    def tell_loss(line: str) -> None:
        print(f"hwr train: {line}", file=sys.stderr, flush=True)
        if jax.process_index() == 0:
            _try(lambda: write_status(workdir, "failed", message=line))

    with joined(processes, tell_loss):
        main_process = jax.process_index() == 0
        return train_together(
            [config],
            [workdir],
            parts,
            init_from=init_from,
            extend=extend,
            main_process=main_process,
            profile_steps=profile_steps if main_process else 0,
        )[0]


def train_together(
    configs: Sequence[AnyConfig],
    workdirs: Sequence[Path],
    parts: Parts | None = None,
    *,
    init_from: str | None = None,
    extend: bool = False,
    main_process: bool = True,
    profile_steps: int = 0,
) -> list[Run]:
    """As `train`, of one run or of several that train as one program, see `hwr_jax.training.vectorized`.

    One run alone can have `parts`, `init_from` and `profile_steps`. `main_process` says whether this process keeps the
    folders.
    """
    ops.prepare_kernels()
    configs = [adopt(workdir, config) for config, workdir in zip(configs, workdirs, strict=True)]
    try:
        with framed(configs, workdirs, extend=extend, main_process=main_process) as stop:
            parts = parts or build_any_parts(configs[0])
            trackers = find_trackers(configs[0].training.trackers) | {**parts.trackers} if main_process else {}
            tracked: dict[str, Any] = {"trackers": trackers, "profile_steps": profile_steps}
            if isinstance(config := configs[0], PageExperimentConfig):
                return [_train_line_finder(config, workdirs[0], parts, init_from, main_process, stop, **tracked)]
            recognizers = [config for config in configs if isinstance(config, ExperimentConfig)]
            return _train(recognizers, workdirs, parts, init_from, main_process, stop, **tracked)
    except Preempted as signal:  # While data are prepared, or in the final evaluation: there is nothing to save.
        return [Run("preempted", latest_step(workdir), workdir, f"{signal}: {GOES_ON}") for workdir in workdirs]


@contextmanager
def framed(
    configs: Sequence[AnyConfig],
    workdirs: Sequence[Path],
    *,
    extend: bool = False,
    main_process: bool = True,
    framework: str = "hwr_jax",
    devices: Callable[[], list[str]] = lambda: [str(device) for device in jax.devices()],
    on_signal: Callable[[Preempted], str] | None = None,
) -> Iterator[StopRequest]:
    """What is around every run: lock, config, environment, signals, and the status however it ends but well.

    For `framework` and `devices` see `hwr_jax.training.workdir.write_environment`; `on_signal` gives the status'
    message of a run that cannot go on after a signal, which is then "failed". What it yields is to be polled;
    `Preempted` may be raised inside, and passes. Raises InputError: another process holds a folder, or another run is
    in it.
    """
    with ExitStack() as held:
        if main_process:
            for config, workdir in zip(configs, workdirs, strict=True):
                held.enter_context(hold(workdir))
                check_config(workdir, to_plain(config), extend=extend)
                write_environment(workdir, command_line(), devices(), framework)
        stop = held.enter_context(catch_stop_signals())
        try:
            yield stop
        except BaseException as error:
            status, message = "failed", " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, Preempted):
                status, message = ("failed", on_signal(error)) if on_signal else ("preempted", f"{error}: {GOES_ON}")
            for workdir in workdirs if main_process else ():
                _try(functools.partial(write_status, workdir, status, message=message))
            raise


def _train(
    configs: Sequence[ExperimentConfig],
    workdirs: Sequence[Path],
    parts: Parts,
    init_from: str | None,
    main_process: bool,
    stop: StopRequest,
    *,
    trackers: Mapping[str, OpenTracker],
    profile_steps: int,
) -> list[Run]:
    say = report if main_process else lambda line: None
    beginning = load_beginning(init_from, workdirs[0], configs[0].model, parts.encoder)
    poll, stride_px = stop.poll_if_alone, parts.stride_px(configs[0])
    configs = settle_data(configs, workdirs if main_process else (), say=say, poll=poll)
    config = configs[0]  # What is not a number all have in common.
    for workdir in workdirs:
        alphabet = settle_alphabet(config, workdir, beginning, main_process, say)
    initial = None
    if beginning:
        beginning.settle(alphabet, workdirs[0] if main_process else None, say)
        parameter_of = Recognizer(config.model, alphabet.num_classes, parts.encoder).parameter
        initial = functools.partial(beginning.carry_over, alphabet=alphabet, parameter_of=parameter_of)
    new = not any(map(has_checkpoints, workdirs))
    training, validation = load_for_training(config, alphabet, say=say, poll=poll, stride_px=stride_px, check=new)
    if main_process:
        describe_start(config, parts, alphabet, training, validation, workdirs)
    about = [{"config": to_plain(config), "alphabet": alphabet.characters, "parts": parts.own} for config in configs]
    validate = make_validate(config, parts, alphabet, validation)
    common: dict[str, Any] = {"validate": validate, "stop": stop, "trackers": trackers}
    if len(configs) == 1:
        task = recognition_task(config, training, alphabet, parts)
        common |= {"initial": initial, "profile_steps": profile_steps}
        outcomes = [run_training(config, task, workdir=workdir, about=about[0], **common)]
    else:
        outcomes = train_vectorized(configs, training, alphabet=alphabet, workdirs=workdirs, about=about, **common)
    runs = []
    for config, workdir, outcome in zip(configs, workdirs, outcomes, strict=True):
        run = Run(outcome.status, outcome.step, workdir, outcome.message)
        if outcome.status == "done" and main_process:
            from hwr_jax.calibrate import calibrate_run  # The first step does not wait for them.
            from hwr_jax.result import evaluate_run

            model = load_run(workdir, parts=parts)
            calibrate_run(model, config, workdir, say=say, poll=stop.poll)
            evaluation = evaluate_run(model, config, workdir, outcome.step, say=say, poll=stop.poll, parts=parts)
            run = dataclasses.replace(run, evaluation=evaluation)
        runs.append(run)
    return runs


def _train_line_finder(
    config: PageExperimentConfig,
    workdir: Path,
    parts: Parts,
    init_from: str | None,
    main_process: bool,
    stop: StopRequest,
    *,
    trackers: Mapping[str, OpenTracker],
    profile_steps: int,
) -> Run:
    outcome = train_line_finder(
        config,
        workdir,
        parts,
        stop,
        trackers=trackers,
        profile_steps=profile_steps,
        init_from=init_from,
        main_process=main_process,
    )
    if outcome.status == "done" and main_process:
        write_status(workdir, "done", step=outcome.step)
    return Run(outcome.status, outcome.step, workdir, outcome.message)


def _resolve(config: Config, parts: Parts | None) -> tuple[AnyConfig, Parts]:
    file = None
    if isinstance(config, str | os.PathLike):
        file = open_config_file(os.fspath(config))
        config = file.get_config()
    resolved = resolve_any_config(config) if isinstance(config, ConfigDict) else config
    if parts is None and file is not None:
        parts = parts_of_file(file, resolved)
    return resolved, parts or build_any_parts(resolved)


def build_any_parts(config: AnyConfig) -> Parts:
    """The parts that a config names."""
    return build_page_parts(config) if isinstance(config, PageExperimentConfig) else build_parts(config)


def _try(write: Callable[[], None]) -> None:
    """A last word on a disk that may be full: the error that led here is the one to report."""
    try:
        write()
    except OSError as error:
        report(f"status not written: {error}")
