"""What a run settles and says before its first step: its data, its alphabet, and what is going to be trained."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from hwr_jax.config import ExperimentConfig
from hwr_jax.data.batches import buckets_of
from hwr_jax.data.formats.table import page_pattern
from hwr_jax.data.loading import check_lists, ensure_prepared, find_alphabet, remark_on_data, settle_split
from hwr_jax.data.mixture import make_draws, rule_of, samples_an_epoch, sources_of
from hwr_jax.data.preprocessed import PreprocessedSamples
from hwr_jax.data.sample import describe_skips
from hwr_jax.data.small_sets import count_writers
from hwr_jax.messages import count_of
from hwr_jax.models import ops
from hwr_jax.models.recognizer import layer_table
from hwr_jax.progress import ProgressLine, report
from hwr_jax.reports.tables import describe_writers
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import FROM_DATA, Alphabet, resolve_alphabet
from hwr_jax.training.devices import choose_kind
from hwr_jax.training.init_from import Beginning
from hwr_jax.training.parts import Parts
from hwr_jax.training.workdir import check_alphabet, check_config, has_checkpoints, latest_step, write_json


def settle_data(
    configs: Sequence[ExperimentConfig],
    workdirs: Sequence[Path],
    *,
    say: Callable[[str], None],
    poll: Callable[[], None],
) -> list[ExperimentConfig]:
    """Configs of the same data with the split rule that the data choose, where they leave it to them.

    The data are prepared with a progress line if need be. The folders' config.json get the rule. Raises InputError if a
    list of ids, which the config names, holds none of the data.
    """
    _prepare(configs[0], say, poll)
    data = settle_split(configs[0].data)
    for source in sources_of(data).values():
        check_lists(source)
    if data == configs[0].data:
        return [*configs]
    configs = [
        dataclasses.replace(config, data=dataclasses.replace(config.data, split=data.split, mixture=data.mixture))
        for config in configs
    ]
    for config, workdir in zip(configs, workdirs, strict=bool(workdirs)):
        check_config(workdir, to_plain(config))
    return configs


def _prepare(config: ExperimentConfig, say: Callable[[str], None], poll: Callable[[], None]) -> None:
    for data in sources_of(config.data).values():
        with ProgressLine(f"preparing {data.name}") as line:

            def progress(done: int, total: int | None, line: ProgressLine = line) -> None:
                poll()
                line(done, total)

            ensure_prepared(data, progress=progress, say=say)
        poll()


def settle_alphabet(
    config: ExperimentConfig,
    workdir: Path,
    beginning: Beginning | None,
    main_process: bool,
    say: Callable[[str], None],
) -> Alphabet:
    """What the config names, or characters that the training split decides, which the run's folder then keeps."""
    if config.model.alphabet not in FROM_DATA:
        return resolve_alphabet(config.model.alphabet)
    alphabet = find_alphabet(config, beginning.model.alphabet if beginning else None)
    if main_process:
        check_alphabet(workdir, alphabet)
    say(f"alphabet ({config.model.alphabet}): {alphabet.characters}")
    return alphabet


def describe_start(
    config: ExperimentConfig,
    parts: Parts,
    alphabet: Alphabet,
    training: PreprocessedSamples,
    validation: PreprocessedSamples,
    workdirs: Sequence[Path],
) -> None:
    """Says what is going to be trained, and writes what was left out into left_out.json."""
    parameters = sum(row.parameters for row in layer_table(config.model, alphabet.num_classes, parts.encoder))
    steps = config.total_steps(samples_an_epoch(training.ids, config.data))
    devices = count_of(jax.device_count(), f"{jax.devices()[0].platform} device")
    kind = choose_kind(config.training.parallel) if len(workdirs) == 1 else f"{len(workdirs)} runs as one program"
    report(f"{parameters:,} parameters, {len(alphabet.characters)} characters, {kind} on {devices}")
    if kernels := ops.describe_kernels():
        report(kernels)
    page_id = page_pattern(config.data.name)
    where = workdirs[0] if len(workdirs) == 1 else workdirs[0].parent
    counts = [
        f"{count_of(part, f'{what} sample')} of "
        f"{describe_writers(count_writers(dict(zip(part.ids, part.writers, strict=True)), page_id))}"
        for what, part in (("training", training), ("validation", validation))
    ]
    report(
        f"{', '.join(counts)} (split rule {rule_of(config.data)}); "
        f"{steps:,} steps of {config.samples_per_step} into {where}"
    )
    if draws := make_draws(training.ids, config.data, config.seed):
        drawn = ", ".join(f"{key} {count:,} of {len(draws.rows_of[key]):,}" for key, count in draws.counts.items())
        report(f"an epoch draws {len(draws):,} samples: {drawn}")
    for remark in remark_on_data(config.data):
        report(remark)
    for workdir in workdirs if has_checkpoints(workdirs[0]) else ():
        step = latest_step(workdir)
        report(
            f"resumes {workdir} after step {step:,} of {steps:,}"
            if step < steps
            else f"{workdir} has done all {steps:,} steps; it is evaluated again, and --extend makes it longer"
        )
    if buckets := buckets_of(training.widths_N, config, parts.stride_px(config)):
        padding = f"{100 * buckets.padding_share:.0f} % of it padding"
        report(f"batches {', '.join(map(str, buckets.widths))} px wide, {padding}")
    for what, part in (("training", training), ("validation", validation)):
        if part.skipped:
            report(f"left out of {what}, by name in left_out.json: {describe_skips(Counter(part.skipped.values()))}")
    for workdir in workdirs:
        write_json(workdir / "left_out.json", {"training": training.skipped, "validation": validation.skipped})
