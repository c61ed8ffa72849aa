"""A whole run of a line finder, as `hwr_jax.run` frames it: pages, training, validation, checkpoints."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hwr_jax.data.page_sets import PageEntry, group_by_document, list_pages, load_page
from hwr_jax.data.tiles import draw_targets
from hwr_jax.errors import InputError
from hwr_jax.ink.page_input import fit_page
from hwr_jax.line_finder import load_trained_network
from hwr_jax.messages import count_of
from hwr_jax.models import ops
from hwr_jax.models.recognizer import count_parameters
from hwr_jax.models.trained_network import check_shapes
from hwr_jax.page_config import PageExperimentConfig
from hwr_jax.progress import report
from hwr_jax.strict import to_plain
from hwr_jax.training.devices import choose_kind
from hwr_jax.training.init_from import find_init_from, write_init_from
from hwr_jax.training.line_finding import LOSS, init_network, line_finding_task, network_of
from hwr_jax.training.loop import Outcome, Validate, Validated, run_training
from hwr_jax.training.parts import Parts
from hwr_jax.training.signals import StopRequest
from hwr_jax.training.tracker import OpenTracker
from hwr_jax.training.workdir import has_checkpoints, latest_step

TRAIN, VALIDATION = "train", "validation"


def train_line_finder(
    config: PageExperimentConfig,
    workdir: Path,
    parts: Parts,
    stop: StopRequest,
    *,
    trackers: Mapping[str, OpenTracker],
    profile_steps: int,
    init_from: str | None,
    main_process: bool,
) -> Outcome:
    """Trains from the newest checkpoint in the folder, or from the start, as `hwr_jax.training.loop.run_training`.

    The start is a new network, or the line finder that `init_from` names. `main_process` says whether this process
    keeps the folder's files.
    """
    say = report if main_process else lambda line: None
    if parts.evaluators or parts.decoders or parts.step_effects:
        raise InputError("parts: a line finder takes losses, an encoder and augmentation of kind 'source', no others")
    training, validation = list_pages(config.data, TRAIN), list_pages(config.data, VALIDATION)
    if config.data.validation_pages:
        validation = validation[: config.data.validation_pages]
    initial = _begin_from(config, parts, workdir, init_from, main_process, say)
    _describe_start(config, parts, training, validation, workdir, say)
    return run_training(
        config,
        line_finding_task(config, training, parts),
        workdir=workdir,
        about={"config": to_plain(config), "parts": parts.own},
        validate=make_page_validate(config, parts, validation),
        stop=stop,
        initial=initial,
        trackers=trackers,
        profile_steps=profile_steps,
    )


def make_page_validate(config: PageExperimentConfig, parts: Parts, entries: Sequence[PageEntry]) -> Validate:
    """Returns what measures every loss on whole pages, unchanged and upright: the mean over the pages."""
    network = network_of(config, parts)
    model = config.model

    def losses(variables: Any, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        outputs = network.apply(variables, batch["images"], batch["shown"])
        terms = {name: loss.function(outputs, batch)[0] for name, loss in parts.losses.items()}
        total = sum(loss.weight * terms[name] for name, loss in parts.losses.items())
        return {LOSS.name: jnp.asarray(total), **terms}

    program = jax.jit(losses)

    def validate(variables: Any, poll: Callable[[], None]) -> Validated:
        on_device = jax.device_put(variables)
        measured = []
        for entry in entries:
            poll()
            page = load_page(entry)
            fitted = fit_page(page.image_HxW, model.long_side_px, model.most_enlarged, model.stride_px)
            targets = draw_targets(page, fitted)
            batch = {name: value[None] for name, value in targets.items()}
            measured.append(jax.device_get(program(on_device, batch)))
        means = {name: float(np.mean([float(one[name]) for one in measured])) for name in measured[0]}
        return Validated({f"validation/{name}": mean for name, mean in means.items()})

    return validate


def _begin_from(
    config: PageExperimentConfig,
    parts: Parts,
    workdir: Path,
    init_from: str | None,
    main_process: bool,
    say: Callable[[str], None],
) -> Callable[[Any], Any] | None:
    """What gives the parameters of the line finder that the run begins from; None: it begins with a new network."""
    name = find_init_from(workdir, init_from)
    if name is None:
        return None
    trained = load_trained_network(name)
    check_shapes(trained.tree, network_of(config, parts), config.model.stride_px, f"--init_from={name}")
    if main_process:
        write_init_from(workdir, name)
    say(f"begins with the parameters of {trained.name}")
    return lambda fresh: jax.tree.map(lambda new, old: np.asarray(old, new.dtype), fresh, trained.tree)


def _describe_start(
    config: PageExperimentConfig,
    parts: Parts,
    training: Sequence[PageEntry],
    validation: Sequence[PageEntry],
    workdir: Path,
    say: Callable[[str], None],
) -> None:
    """Says what is going to be trained."""
    variables = jax.eval_shape(lambda: init_network(network_of(config, parts), config))
    devices = count_of(jax.device_count(), f"{jax.devices()[0].platform} device")
    say(f"{count_parameters(variables):,} parameters, {choose_kind(config.training.parallel)} on {devices}")
    if kernels := ops.describe_kernels():
        say(kernels)
    counts = [
        f"{count_of(entries, f'{what} page')} of {count_of(group_by_document(entries), 'document')}"
        for what, entries in (("training", training), ("validation", validation))
    ]
    say(f"{', '.join(counts)}; {config.training.steps:,} steps of {count_of(config.data.batch_size, 'tile')}")
    if has_checkpoints(workdir):
        say(f"resumes {workdir} after step {latest_step(workdir):,} of {config.training.steps:,}")
