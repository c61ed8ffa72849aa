"""Adapting a model to a few lines of one's own, so that it gets better on them and keeps what it knows."""

import dataclasses
import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.config import DataConfig, ExperimentConfig, resolve_config
from hwr_jax.config_files import load_config_file
from hwr_jax.data.batches import BATCH_SIZE
from hwr_jax.data.checks.check import CheckRules, Findings, check_data
from hwr_jax.data.checks.few_lines import check_few_lines, describe_holding_back
from hwr_jax.data.formats.synthetic import SyntheticParams
from hwr_jax.data.labels import final_label
from hwr_jax.data.loading import load_split, settle_split, worker_count
from hwr_jax.data.mixture import group_by_source, rule_of, sources_of
from hwr_jax.data.prepared import find_prepared, load_all, load_skipped, prepare
from hwr_jax.data.sample import Skip
from hwr_jax.data.stored_images import select_images
from hwr_jax.decoding.settings import choose_decoder
from hwr_jax.errors import InputError
from hwr_jax.evaluation.before_after import BeforeAfter, compare_before_after
from hwr_jax.evaluation.sources import split_by_source
from hwr_jax.export import export_folder
from hwr_jax.files import write_text
from hwr_jax.ink.model_input import preprocessing_of
from hwr_jax.messages import count_of
from hwr_jax.mixture_config import MixtureSource, unit_of
from hwr_jax.models.parameter_files import fingerprint_parameters
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import TrainedModel, require_known_encoder, save_exported
from hwr_jax.progress import ProgressLine, report
from hwr_jax.reports.adapt_page import build_adapt_page
from hwr_jax.reports.card import CardModel, write_card
from hwr_jax.result import Result, measure
from hwr_jax.run import train_together
from hwr_jax.text.alphabet import Alphabet, alphabet_of
from hwr_jax.text.distance import Edits
from hwr_jax.training.adaptation_config import BLEND, REPLAY, YOURS, adapt_config, mix
from hwr_jax.training.init_from import blend as blend_parameters
from hwr_jax.training.load import load_model, load_run
from hwr_jax.training.signals import Preempted, catch_stop_signals
from hwr_jax.training.workdir import hold, write_json, write_status
from hwr_jax.zoo.training_facts import gather_about

# The replay of those who have no other data: by other writers than those that the models of the package learnt from.
SYNTHETIC_REPLAY = SyntheticParams(writers=120, words_per_writer=10, seed=1)
ADAPTED, KEPT = "adapted", "kept"
# The run is below the folder, which itself is an exported model: the adapted one or the old one.
TRAINING_FOLDER, NUMBERS_FILE, PAGE_FILE, STATUS_FILE = "training", "adapt.json", "adapt.html", "status.json"
_LABELS_TO_LOOK_AT = 500
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Adaptation:
    """How an adaptation ended.

    Attributes:
      status: "done"; "preempted": stopped by a signal, and the same call goes on; or "diverged".
      workdir: the folder; when done it loads as a model.
      message: one line for people.
      outcome: of one that is done, "adapted", or "kept": the new model made as many errors on all lines held back, or
        more, so the folder holds the old one. Else "".
      step: of the checkpoint that was measured, often not the last.
      seconds: wall time of this call.
      measured: before and after, on the user's lines held back ("yours") and on those of each replay data set.
    """

    status: str
    workdir: Path
    message: str
    outcome: str = ""
    step: int = 0
    seconds: float = 0.0
    measured: Mapping[str, BeforeAfter] = dataclasses.field(default_factory=dict, repr=False)


def adapt(
    model: str | os.PathLike[str],
    data: str,
    workdir: str | os.PathLike[str],
    source: str | os.PathLike[str] | None = None,
    *,
    replay: Sequence[str] = (),
    widen_alphabet: bool = False,
    blend: float = BLEND,
    steps: int = 0,
    seed: int = 0,
    data_dir: str | os.PathLike[str] = "",
    workers: int = 0,
    say: Say = report,
) -> Adaptation:
    """Trains a model on, on 5 to 500 lines and on replay, and keeps the new one if it is better. `hwr adapt`.

    Some of the lines are held back, by writer or page where that can be: a few to stop by, a few to measure on, see
    `hwr_jax.data.small_sets`. The folder then loads as a model: the new one, or the old one if the new one makes as
    many errors or more on all lines held back. It holds adapt.html, adapt.json, status.json and, in
    training/, the run.

    Args:
      model: name or path, as of `hwr_jax.load`.
      data: name of the data set with the lines.
      workdir: made if it is not there; a call that was stopped goes on there.
      source: raw data to prepare the data set from, where that has not been done yet.
      replay: names of prepared data sets to go on training on; (): words of synthetic writers.
      widen_alphabet: whether the model learns characters of the lines that it does not know.
      blend: how far to go from the old parameters, 0, to the trained ones, 1: less learns less, and forgets less.
      steps: at most; 0: by the number of lines, see `hwr_jax.training.adaptation_config.plan_steps`.
      seed: of the order of samples, dropout and augmentation.
      data_dir: holds prepared data; "": $HWR_JAX_DATA_DIR, or the cache folder.
      workers: processes that prepare and preprocess, 0: one a core.
      say: takes lines on what is done.

    Raises:
      InputError: no such model or data; too few lines, contradictory ones, or labels outside the alphabet; the folder
        holds another adaptation. Nothing is written then.
      OSError: a file cannot be written.
    """
    started, name, folder = time.monotonic(), os.fspath(model), Path(workdir)
    if not 0 < blend <= 1:
        raise InputError(f"--blend={blend:g}: is not above 0 and at most 1")
    trained = load_model(name)
    require_known_encoder(trained)
    if source is not None or find_prepared(data, _as_path(data_dir)) is None:
        _prepare(data, source, data_dir, workers)
    finetuning = resolve_config(load_config_file(f"finetune:{name}"))
    plain = dataclasses.replace(finetuning.data, name=data, data_dir=os.fspath(data_dir), workers=workers)
    own = settle_split(plain)
    unit = _unit(_some_labels(own))
    if unit == "line" and trained.preprocessing.kind != "line":
        raise InputError(
            f"data {data!r}: holds lines, and {name} reads single words; give a model of lines, which hwr models lists"
        )
    findings = _check(own, finetuning, trained)
    remarks = check_few_lines(data, findings, name, widen_alphabet=widen_alphabet)
    for line in (describe_holding_back(findings, own.split), *findings.remarks, *remarks):
        say(line)
    training = load_split(own, "train", preprocessing_of(finetuning))
    # A character that no training line has cannot be learnt.
    alphabet = alphabet_of([trained.alphabet.characters, *training.texts]) if widen_alphabet else trained.alphabet
    mixture = mix(data, unit, _replay_sources(replay, data, plain, trained.alphabet, name))
    config = adapt_config(
        finetuning,
        mixture,
        alphabet.characters,
        len(training),
        steps=steps,
        seed=seed,
        data_dir=os.fspath(data_dir),
        workers=workers,
    )
    with hold(folder):
        # What another adaptation left is not touched where this one turns out not to be it.
        is_new = not (folder / STATUS_FILE).exists()
        if is_new:
            write_status(folder, "running")
        try:
            done = _adapt(name, trained, config, folder, blend, say)
        except BaseException as error:
            if is_new or not isinstance(error, InputError):
                write_status(folder, "failed", message=" ".join(str(error).split()) or type(error).__name__)
            raise
        return dataclasses.replace(done, seconds=time.monotonic() - started)


def _adapt(name: str, old: TrainedModel, config: ExperimentConfig, folder: Path, share: float, say: Say) -> Adaptation:
    started = time.monotonic()
    (run,) = train_together([config], [folder / TRAINING_FOLDER], init_from=name)
    if run.status != "done":
        write_status(folder, run.status, step=run.step, message=run.message)
        return Adaptation(run.status, folder, run.message, step=run.step)
    after = load_run(folder / TRAINING_FOLDER)
    step = int(after.name.rpartition("@")[2])
    parameter_of = Recognizer(config.model, after.alphabet.num_classes).parameter
    tree = blend_parameters(old.tree, old.alphabet, after.tree, after.alphabet, parameter_of, share)
    new = dataclasses.replace(after, name=folder.resolve().name, tree=tree)
    data = settle_split(config.data)
    say(f"measuring before and after, {share:g} of the way from {name} to step {step}")
    try:
        with catch_stop_signals() as stop:
            before, result = (_read(one, data, "test", stop.poll) for one in (old, new))
            stopped_by = [_read(one, sources_of(data)[YOURS], "validation", stop.poll) for one in (old, new)]
    except Preempted as signal:
        message = f"{signal}: the same command goes on"
        write_status(folder, "preempted", step=run.step, message=message)
        return Adaptation("preempted", folder, message, step=run.step)
    measured, images = _compare(before, result, data)
    held_back = HeldBack.of(measured[YOURS], *(one.evaluation.totals for one in stopped_by))
    outcome = ADAPTED if held_back.errors_after < held_back.errors_before else KEPT
    if outcome == ADAPTED:
        _save(new, result, folder, {"blend": share, "adapted_from": name})
    else:
        export_folder(name, folder)
    message = describe_outcome(outcome, held_back, measured, name)
    facts = {
        "outcome": outcome,
        "message": message,
        "model": name,
        "data": measured[YOURS].data,
        "blend": share,
        "step": step,
        "steps": config.training.steps,
        "held_back": dataclasses.asdict(held_back),
        "seconds": round(time.monotonic() - started, 1),
    }
    numbers = {key: one.plain() for key, one in measured.items()}
    write_json(folder / NUMBERS_FILE, {**facts, "measured": numbers})
    write_text(folder / PAGE_FILE, build_adapt_page(folder.resolve().name, facts, measured, images))
    write_status(folder, "done", **{key: facts[key] for key in ("outcome", "message", "step")})
    return Adaptation("done", folder, message, outcome, step, measured=measured)


@dataclasses.dataclass(frozen=True)
class HeldBack:
    """All lines of the user's that were not trained on: few as they are, none is left out of the decision.

    Those to stop by speak a little for the new model, whose checkpoint was chosen by them.
    """

    lines: int
    # Edits
    errors_before: int
    errors_after: int

    @staticmethod
    def of(test: BeforeAfter, before: Edits, after: Edits) -> "HeldBack":
        """Of the lines to measure on, and the sums of those to stop by."""
        errors = (
            totals.character_edits + sum(one.edits.character_edits for one in results)
            for totals, results in ((before, test.before), (after, test.after))
        )
        return HeldBack(before.samples + len(test.before), *errors)


def describe_outcome(outcome: str, held_back: HeldBack, measured: Mapping[str, BeforeAfter], model: str) -> str:
    """In a sentence."""
    worse = [one.data for key, one in measured.items() if key != YOURS and one.is_worse and outcome == ADAPTED]
    losses = f"; worse, beyond noise, on {' and '.join(worse)}" if worse else ""
    return (
        f"{outcome} {model}: on the {count_of(held_back.lines, 'line')} held back the new model makes "
        f"{held_back.errors_after:,} errors, the old one {held_back.errors_before:,}{losses}"
    )


def _read(model: TrainedModel, data: DataConfig, split: str, poll: Callable[[], None]) -> Result:
    """What a model makes of a split; `data` has split rules."""
    samples = load_split(data, split, model.preprocessing)
    done = itertools.count(0, BATCH_SIZE)
    with ProgressLine(f"reading with {model.name}") as progress:

        def tell() -> None:
            poll()
            progress(min(next(done), len(samples)), len(samples))

        decoder = choose_decoder("greedy", model.alphabet)
        return measure(model, samples, data, split, decoder, batch_size=BATCH_SIZE, poll=tell)


def _compare(before: Result, after: Result, data: DataConfig) -> tuple[dict[str, BeforeAfter], dict[str, Any]]:
    """Each data set before and after, and the images of each, uint8 [N, H, W]."""
    befores, afters = (split_by_source(result.evaluation, data) for result in (before, after))
    rows = group_by_source([result.id for result in after.evaluation.results], data)
    measured = {
        key: compare_before_after(key, source.name, rule_of(source), befores[key].results, afters[key].results)
        for key, source in sources_of(data).items()
        if key in befores
    }
    return measured, {key: select_images(after.images_NxHxW, rows[key]) for key in measured}


def _save(model: TrainedModel, result: Result, folder: Path, how: Mapping[str, Any]) -> None:
    """As `hwr export` writes the model of a run, with its evaluation and its card."""
    about = {**gather_about(folder / TRAINING_FOLDER, model.name), **how}
    save_exported(model, folder, about)
    write_json(folder / "test.json", result.summary)
    write_card(folder, CardModel.of(model, about, fingerprint_parameters(model.tree), folder), "test.json")


def _prepare(name: str, source: str | os.PathLike[str] | None, data_dir: str | os.PathLike[str], workers: int) -> None:
    if source is None and name.partition("/")[0] != "synthetic":
        raise InputError(
            f"data {name!r}: not prepared; give --source=PATH, or run hwr data prepare {name} --source=PATH"
        )
    with ProgressLine(f"preparing {name}") as progress:
        prepare(
            name,
            None if source is None else Path(source),
            _as_path(data_dir),
            workers=worker_count(workers),
            progress=progress,
            say=report,
        )


def _check(own: DataConfig, finetuning: ExperimentConfig, trained: TrainedModel) -> Findings:
    """What is wrong with the lines, by the rules of a run on them alone."""
    rules = CheckRules(own, trained.alphabet, preprocessing_of(finetuning), finetuning.model.frames)
    folder = _as_path(own.data_dir)
    skipped = [Skip(id, reason) for id, reason in load_skipped(own.name, folder).items()]
    return check_data([*load_all(own.name, folder), *skipped], rules, workers=1)


def _some_labels(config: DataConfig) -> list[str]:
    """Enough to tell what a data set holds: its first ones."""
    samples = itertools.islice(load_all(config.name, _as_path(config.data_dir)), _LABELS_TO_LOOK_AT)
    return [final_label(sample.text, config) for sample in samples]


def _unit(labels: Sequence[str]) -> str:
    return unit_of(sum(len(label.split()) for label in labels), len(labels))


def _replay_sources(
    names: Sequence[str], own: str, data: DataConfig, alphabet: Alphabet, model: str
) -> dict[str, MixtureSource]:
    """Each data set of the replay by its name in the mixture, prepared, with labels that the model can spell."""
    if own in names:
        raise InputError(f"--replay={own}: is the data set to adapt to; name others, or leave it out")
    if len({*names}) < len(names):
        raise InputError(f"--replay={','.join(names)}: names a data set twice; name each once")
    if not names:
        _prepare(SYNTHETIC_REPLAY.data_name, None, data.data_dir, data.workers)
    sources: dict[str, MixtureSource] = {}
    for name in names or [SYNTHETIC_REPLAY.data_name]:
        one = dataclasses.replace(data, name=name)
        if find_prepared(name, _as_path(data.data_dir)) is None:
            raise InputError(f"--replay={name}: not prepared; run hwr data prepare {name} --source=PATH")
        labels = _some_labels(one)
        outside = alphabet.outside("".join(labels))
        unread = sum(any(character in outside for character in label) for label in labels)
        if 2 * unread > len(labels):
            raise InputError(
                f"replay {name!r}: {unread:,} of {len(labels):,} labels have characters that {model} does not know; "
                "name prepared data of its own kind with --replay=NAME"
            )
        key = name.rpartition("/")[2] if names else REPLAY
        key = key if key not in (YOURS, *sources) else name.replace("/", "_")
        sources[key] = MixtureSource(name, unit=_unit(labels))
    return sources


def _as_path(data_dir: str | os.PathLike[str]) -> Path | None:
    return Path(data_dir) if data_dir else None
