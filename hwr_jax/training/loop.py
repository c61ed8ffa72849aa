"""The training loop: restore, step, report, validate, save."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.buckets import Buckets, buckets_of
from hwr_jax.data.labels import encode_labels
from hwr_jax.data.pipeline import Batch, make_batch_of_step, make_batches, plan_dispatches, sample_arrays
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.devices import Placement, keep_on_device, make_placement
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.run_logger import RunLogger
from hwr_jax.training.signals import Preempted, StopRequest
from hwr_jax.training.state import Totals, TrainState, init_state, zero_totals
from hwr_jax.training.step import make_step_of
from hwr_jax.training.trial import Fetch, Outcome, Trial, Validate


def run_training(
    config: ExperimentConfig,
    samples: PreprocessedSamples,
    *,
    alphabet: Alphabet,
    workdir: Path,
    about: Mapping[str, Any],
    validate: Validate,
    stop: StopRequest,
    initial: Callable[[Any], Any] | None = None,
) -> Outcome:
    """Trains from the newest checkpoint in `workdir`, or from the start, to the last step.

    Args:
      config: of the experiment.
      samples: that can all be trained on, see `hwr_jax.data.labels.select_trainable`.
      alphabet: of the labels.
      workdir: of the run; locked by the caller.
      about: what goes into every checkpoint: "config" and "alphabet".
      validate: measures the validation split.
      stop: polled between steps.
      initial: makes the first parameters from those a new model begins with (None: they stay).

    Raises:
      InputError: a checkpoint of another shape, or a batch that cannot be divided over the devices.
      OSError: the folder cannot be written.
    """
    total_steps = config.total_steps(len(samples))
    model = Recognizer(config.model, alphabet.num_classes)
    optimizer = build_optimizer(config.optimizer, total_steps, model.parameter)
    make_named_step = functools.partial(make_step_of, config, model, optimizer)
    placement = make_placement(config.training.parallel, make_named_step, config.data.batch_size)
    run_logger = RunLogger(workdir, total_steps, about)
    try:
        start = init_state(model, optimizer, config.seed)
        if initial is not None:
            parameters = initial(start.parameters)
            start = start.replace(parameters=parameters, optimizer=optimizer.init(parameters))  # type: ignore[attr-defined]
        state = run_logger.restore(start)
        member = Trial(config, total_steps, run_logger, validate, stop, state)
        advance([member], state, placement, config, [config.seed], samples, alphabet, stop)
        assert member.outcome is not None
        return member.outcome
    finally:
        run_logger.close()


def advance(
    trials: Sequence[Trial],
    state: TrainState,
    placement: Placement,
    config: ExperimentConfig,
    seeds: Sequence[int],
    samples: PreprocessedSamples,
    alphabet: Alphabet,
    stop: StopRequest,
    take: Callable[[TrainState, int], TrainState] = lambda state, _: state,
    empty_totals: Callable[[], Totals] = zero_totals,
) -> None:
    """Runs the steps that are left, of one run or of several that advance together; every member gets its outcome.

    Args:
      trials: the runs.
      state: on the host, as `placement` takes it.
      placement: of the steps.
      config: the trials' own, as far as they have it in common.
      seeds: of the order of the samples: one for all trials, or one each, whose batches are then stacked.
      samples: to train on.
      alphabet: of the labels.
      stop: polled between steps.
      take: given the state on the devices and a member's place, that member's state.
      empty_totals: makes what the state counts from after a report.
    """
    total_steps = config.total_steps(len(samples))
    step, state = int(state.step), placement.place(state)

    def fetch_of(index: int) -> Fetch:
        return lambda part: placement.fetch(part(take(state, index)))

    def going() -> list[tuple[Trial, Fetch]]:
        return [(member, fetch_of(index)) for index, member in enumerate(trials) if member.outcome is None]

    try:
        for member, fetch in going():
            if not member.reported:  # It may have been stopped while it validated after this step.
                member.finish_step(step, fetch)
        arrays = sample_arrays(samples.images_NxHxW, encode_labels(samples.texts, alphabet))
        resident = not config.follows_width and keep_on_device(
            arrays, config.data.on_device, config.training.steps_per_dispatch
        )
        on_device = placement.place({name: np.asarray(of_all) for name, of_all in arrays.items()}) if resident else {}
        every = config.training
        stops = (every.log_every_steps, every.evaluate_every_steps, every.checkpoint_every_steps)
        dispatches = plan_dispatches(step, total_steps, every.steps_per_dispatch, stops)
        buckets = buckets_of(samples.widths_N, config)
        batches_of_seed = [
            make_batches(_make_batch_of_step(arrays, config, seed, buckets, resident), dispatches) for seed in seeds
        ]
        for steps, *batches in zip(dispatches, *batches_of_seed, strict=True):
            if not going():
                return
            stop.poll_together(step)
            if all(member.reported for member, _ in going()):
                state = state.replace(totals=placement.place(empty_totals()))  # type: ignore[attr-defined]
            state = placement.steps(state, on_device, placement.place_batches(_stack(batches)))
            step += len(steps)
            for member, fetch in going():
                member.advanced(state, len(steps))
                member.finish_step(step, fetch)
        for member, _ in going():
            member.finish(step)
    except Preempted as signal:
        for member, fetch in going():
            member.preempt(step, str(signal), fetch)


def _make_batch_of_step(
    arrays: Mapping[str, Any], config: ExperimentConfig, seed: int, buckets: Buckets | None, resident: bool
) -> Callable[[int], Batch]:
    return make_batch_of_step(
        arrays,
        batch_size=config.data.batch_size,
        seed=seed,
        reshuffle=config.data.reshuffle,
        buckets=buckets,
        narrow_first_epochs=config.data.narrow_first_epochs,
        resident=resident,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )


def _stack(batches: Sequence[Batch]) -> Batch:
    """The batches of one seed for all trials, or those of each along a leading axis."""
    if len(batches) == 1:
        return batches[0]
    return {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
