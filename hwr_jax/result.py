"""Evaluating a trained model: the numbers of a split, and the files that hold them."""

import collections
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax

from hwr_jax.config import DataConfig, ExperimentConfig
from hwr_jax.data.formats.table import page_pattern, read_data
from hwr_jax.data.labels import final_label
from hwr_jax.data.loading import ensure_prepared, load_split, settle_split, summarize_splits, worker_count
from hwr_jax.data.mixture import rule_of, sources_of
from hwr_jax.data.preprocessed import PreprocessedSamples, join_samples, preprocess_samples
from hwr_jax.data.sample import Sample, Skip, describe_skips
from hwr_jax.data.small_sets import BY_UNIT, choose_rule, ids_in_split
from hwr_jax.data.splits import AUTO, BY_WRITER, SPLITS, split_of
from hwr_jax.data.stored_images import Images
from hwr_jax.decoding.settings import ChosenDecoder, DecoderChoice, choose_decoder
from hwr_jax.errors import InputError
from hwr_jax.evaluation.evaluate import Evaluation, LogProbs, evaluate_samples
from hwr_jax.evaluation.example_metric import EXAMPLE_METRIC, metric_of_results
from hwr_jax.evaluation.sources import mean_over_sources, summarize_sources
from hwr_jax.evaluation.summary import summarize
from hwr_jax.ink.model_input import Preprocessing, preprocessing_of
from hwr_jax.messages import count_of
from hwr_jax.models.parameter_files import fingerprint_parameters
from hwr_jax.models.trained import PRETRAINED, TrainedModel
from hwr_jax.progress import ProgressLine
from hwr_jax.reports.card import CardModel, write_card
from hwr_jax.reports.report import write_evaluation, write_report
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.training.load import OwnParts, choose_model_decoder, load_model, model_folder
from hwr_jax.training.parts import AT_END, Parts
from hwr_jax.training.workdir import command_line, describe_software, write_json, write_status
from hwr_jax.zoo.training_facts import describe_command, gather_about

ALL = "all"
BATCH_SIZE = 256


@runtime_checkable
class Evaluated(Protocol):
    """A model that can be evaluated: a `TrainedModel`, or a baseline's, whose tree of parameters may be None."""

    @property
    def name(self) -> str: ...

    @property
    def alphabet(self) -> Alphabet: ...

    @property
    def config(self) -> Mapping[str, Any]: ...

    @property
    def parameters(self) -> int: ...

    @property
    def tree(self) -> Any: ...

    @property
    def log_probs(self) -> LogProbs: ...


@dataclasses.dataclass(frozen=True)
class Result:
    """What a model makes of a split.

    Attributes:
      summary: all numbers under the names of the JSON file, see `hwr_jax.evaluation.summary.summarize`.
      evaluation: sample for sample.
      images_NxHxW: uint8, the images of the samples as the model was given them.
      written: the files that were written.
    """

    summary: dict[str, Any]
    evaluation: Evaluation = dataclasses.field(repr=False)
    images_NxHxW: Images = dataclasses.field(repr=False)
    written: tuple[Path, ...] = ()

    @property
    def cer(self) -> float | None:
        """Character error rate: edits a character of the truth; None without characters."""
        return self.summary["cer"]

    @property
    def wer(self) -> float | None:
        """Word error rate: edits a word of the truth."""
        return self.summary["wer"]

    @property
    def cer_interval(self) -> tuple[float, float] | None:
        """95 % bootstrap interval of the CER over writers, or over samples where there is one writer."""
        return self._interval("cer_interval")

    @property
    def wer_interval(self) -> tuple[float, float] | None:
        """Likewise of the WER."""
        return self._interval("wer_interval")

    @property
    def samples(self) -> int:
        """How many were read."""
        return self.summary["samples"]

    def _interval(self, name: str) -> tuple[float, float] | None:
        return (self.summary[name][0], self.summary[name][1]) if self.summary[name] else None


def evaluate(
    model_or_workdir: str | os.PathLike[str],
    data: str | None = None,
    source: str | os.PathLike[str] | None = None,
    split: str = "test",
    decoder: DecoderChoice = "greedy",
    parts: OwnParts = None,
    output: str | os.PathLike[str] | None = None,
    *,
    checkpoint: str = "best",
    data_dir: str | os.PathLike[str] = "",
    workers: int = 0,
    example_metric: bool = False,
    numbers_only: bool = False,
    into_run: bool = True,
) -> Result:
    """Reads every sample of a split with a trained model, and counts the errors. `hwr evaluate` is this call.

    Args:
      model_or_workdir: the name of a model that comes with the package, the folder of an exported one, or of a run.
      data: name of a data set, None: the one that the model was trained on.
      source: raw data to read, in place of prepared data.
      split: "train", "validation", "test", or "all".
      decoder: "greedy", "beam", "tuned" (decoder.json beside the model), the path of such a file, settings, a name in
        the decoders of `parts`, or an object with `decode`; see `hwr_jax.decoding.settings.choose_decoder`.
      parts: with one's own encoder or decoders, or the config file that gives them; a run with an encoder of one's own
        needs those it was trained with.
      output: FILE.json for the numbers; predictions (.tsv), a sheet of samples (.png) and MODEL_CARD.md come beside it.
        None: of a run evaluation/SPLIT.json in its folder (SPLIT_DECODER.json if that is not greedy), else no file.
      checkpoint: of a run, "best" or "latest".
      data_dir: holds prepared data; "": as the run, or the cache folder.
      workers: processes that read and preprocess, 0: one a core.
      example_metric: also the Keras example's mean edit distance.
      numbers_only: write no predictions and no images: of data that must not be passed on.
      into_run: whether a run's folder gets the evaluation, and its report.html is written anew.

    Raises:
      InputError: no such model, data or decoder, or no samples in the split.
      OSError: a file cannot be written.
    """
    name = os.fspath(model_or_workdir)
    if split not in (*SPLITS, ALL):
        raise InputError(f"split {split!r}: is none of {', '.join((*SPLITS, ALL))}")
    if output is not None and Path(output).suffix != ".json":
        raise InputError(f"--output={output}: must end in .json")
    model = load_model(name, checkpoint, parts)
    folder = model_folder(name) or PRETRAINED / name
    chosen = choose_model_decoder(decoder, name, model, parts)
    config = data_config(model, data, data_dir, workers)
    if source:
        config, samples = _read_source(config, Path(source), split, model.preprocessing)
    else:
        samples = load_samples(config, split, model)
        config = settle_split(config)
    if not len(samples):
        left_out = describe_skips(collections.Counter(samples.skipped.values()))
        hint = "" if split == ALL else "; try --split=all"
        raise InputError(f"data {config.name!r}, split {split!r}: no samples ({left_out}){hint}")
    done = itertools.count(0, BATCH_SIZE)
    with ProgressLine("read") as progress:
        result = measure(
            model,
            samples,
            config,
            split,
            chosen,
            poll=lambda: progress(min(next(done), len(samples)), len(samples)),
            example_metric=example_metric,
            prepared=not source,
        )
        progress(len(samples), len(samples))
    workdir = folder if into_run and (folder / "checkpoints").is_dir() else None
    if output is None and workdir is not None:
        output = workdir / "evaluation" / _file_name(split, chosen.label)
    if output is not None:
        result = write_result(result, Path(output), model, folder, numbers_only=numbers_only)
    if workdir is not None:
        page = write_report(workdir, result.evaluation, result.images_NxHxW, result.summary)
        result = dataclasses.replace(result, written=(*result.written, page))
    return result


def evaluate_run(
    model: Evaluated,
    config: ExperimentConfig,
    workdir: Path,
    step: int,
    *,
    say: Callable[[str], None],
    poll: Callable[[], None],
    parts: Parts | None = None,
) -> Result:
    """Evaluates a run that has done its last step on the test split (validation where there is none), and ends it.

    The workdir gets the evaluation, those that `parts` ask for, a status.json that says "done", and report.html. `say`
    gets a line on what is evaluated; `poll` is called before each batch, and an exception it raises ends it before
    anything is written. Raises InputError if the data are no longer prepared, OSError if a file cannot be written.
    """
    for split in ("test", "validation"):
        samples = load_split(config.data, split, preprocessing_of(config))
        if len(samples):
            break
    say(f"evaluating {count_of(samples, f'{split} sample')} with {model.name}")
    size = config.data.evaluation_batch_size
    result = measure(
        model,
        samples,
        config.data,
        split,
        choose_model_decoder("greedy", str(workdir), model, parts),
        batch_size=size,
        example_metric=config.training.example_metric,
        poll=poll,
    )
    for name, evaluator in parts.evaluators.items() if parts is not None else ():
        if evaluator.when == AT_END and parts is not None:
            data, own_samples = evaluator.load(config)
            decoder = choose_decoder(evaluator.decoder, model.alphabet, own=parts.decoders)
            own = measure(model, own_samples, data, evaluator.split, decoder, batch_size=size, poll=poll)
            own.summary[name] = float(evaluator.measure(own.evaluation))
            write_result(own, workdir / "evaluation" / f"{name}.json", model, workdir)
    result = write_result(result, workdir / "evaluation" / f"{split}.json", model, workdir)
    write_status(workdir, "done", step=step, cer=result.cer, wer=result.wer)
    page = write_report(workdir, result.evaluation, result.images_NxHxW, result.summary)  # It shows the status.
    return dataclasses.replace(result, written=(*result.written, page))


def measure(
    model: Evaluated,
    samples: PreprocessedSamples,
    config: DataConfig,
    split: str,
    decoder: ChosenDecoder,
    *,
    batch_size: int = BATCH_SIZE,
    poll: Callable[[], None] = lambda: None,
    example_metric: bool = False,
    prepared: bool = True,
) -> Result:
    """Evaluates samples and says what the numbers were made from: parameters, data, code and command.

    Args:
      samples, config, split: of the split; the config of its data, and its name.
      batch_size, poll: see `hwr_jax.evaluation.evaluate.evaluate_samples`.
      example_metric: whether to compute the Keras example's, too.
      prepared: whether the samples come from prepared data, which are then described.
    """
    evaluation = evaluate_samples(
        model.log_probs, model.alphabet, samples, decoder=decoder.decoder, batch_size=batch_size, poll=poll
    )
    summary = summarize(
        evaluation,
        decoder=decoder.label,
        decoder_settings=decoder.about,
        model=model.name,
        parameters=model.parameters,
        data=config.name,
        split=split,
        split_rule=rule_of(config),
    )
    if config.mixture:
        summary["sources"] = summarize_sources(evaluation, config, summary)
        for rate in ("cer", "wer"):
            summary[f"{rate}_mean"] = mean_over_sources([one[rate] for one in summary["sources"].values()])
    if example_metric:
        batch = model.config["data"]["batch_size"]
        summary[EXAMPLE_METRIC] = metric_of_results(evaluation.results, model.alphabet, batch)
    if model.tree is not None:
        summary["parameters_sha256"] = fingerprint_parameters(model.tree)
    summary["evaluated_by"] = {
        "command": describe_command(command_line()),
        **describe_software(),
        "devices": [str(device) for device in jax.devices()],
    }
    if prepared and not config.mixture:
        summary["prepared"] = _describe_prepared(config)
    elif prepared:
        for key, one in sources_of(config).items():
            if key in summary["sources"]:
                summary["sources"][key]["prepared"] = _describe_prepared(one)
    return Result(summary, evaluation, samples.images_NxHxW)


def write_result(result: Result, path: Path, model: Evaluated, folder: Path, *, numbers_only: bool = False) -> Result:
    """Writes what was measured, and beside it the model's card from all evaluations that lie there.

    Args:
      path: of the JSON file; the others are named like it.
      model, folder: that was measured, and where its training is recorded.
      numbers_only: whether to leave out predictions and images.
    """
    if numbers_only:
        write_json(path, result.summary)
        written = [path]
    else:
        written = write_evaluation(path, result.evaluation, result.summary, result.images_NxHxW)
    fingerprint = result.summary.get("parameters_sha256", "")
    card = CardModel.of(model, gather_about(folder, model.name), fingerprint, folder)
    card_path = write_card(path.parent, card, path.name)
    return dataclasses.replace(result, written=(*written, *([card_path] if card_path else [])))


def _file_name(split: str, label: str) -> str:
    """Other decoders leave the greedy evaluation in place: runs are compared by it."""
    return f"{split}.json" if label == "greedy" else f"{split}_{label.replace(' + ', '_').replace(' ', '_')}.json"


def data_config(
    model: TrainedModel, data: str | None = None, data_dir: str | os.PathLike[str] | None = None, workers: int = 0
) -> DataConfig:
    """The config of the data that a model was trained on, or of others split by writer; see `evaluate`."""
    config = build_dataclass(DataConfig, model.config["data"], "data")
    return dataclasses.replace(
        config.of(data or None), data_dir=os.fspath(data_dir or config.data_dir), workers=workers
    )


def load_samples(config: DataConfig, split: str, model: TrainedModel) -> PreprocessedSamples:
    """A split, or all of them, prepared if need be and preprocessed for the model."""
    for one in sources_of(config).values():
        with ProgressLine(one.name) as progress:
            ensure_prepared(one, progress=progress)
    splits = SPLITS if split == ALL else (split,)
    return join_samples([load_split(config, each, model.preprocessing) for each in splits])


def _read_source(
    config: DataConfig, source: Path, split: str, preprocessing: Preprocessing
) -> tuple[DataConfig, PreprocessedSamples]:
    """Raw data know no rule but those by writer, page and line; and the config with the one that was taken."""
    if config.mixture:
        raise InputError(f"--source={source}: which of the data sets of {config.name}? Say --data=NAME")
    if config.split not in (AUTO, BY_WRITER, *BY_UNIT) and split != ALL:
        raise InputError(
            f"--split={split}: the model's split rule ({config.split}) needs prepared data; run hwr data prepare "
            f"{config.name} --source={source} and leave --source out, or give --split=all"
        )
    workers, page_id = worker_count(config.workers), page_pattern(config.name)

    members: set[str] | None = None
    if split != ALL and config.split != BY_WRITER:  # Who wrote how much is known when all has been read.
        writers = {item.id: item.writer for item in _read_raw(config.name, source, workers) if isinstance(item, Sample)}
        rule = choose_rule(writers, page_id) if config.split == AUTO else config.split
        config, members = dataclasses.replace(config, split=rule), ids_in_split(split, rule, writers, page_id)

    def is_in_split(sample: Sample) -> bool:
        return split_of(sample.writer) == split if members is None else sample.id in members

    # What was skipped has no writer, and so no split.
    read = _read_raw(config.name, source, workers)
    items = (item for item in read if split == ALL or isinstance(item, Skip) or is_in_split(item))
    samples = preprocess_samples(items, preprocessing, workers=workers)
    if config.split == AUTO:
        config = dataclasses.replace(
            config, split=choose_rule(dict(zip(samples.ids, samples.writers, strict=True)), page_id)
        )
    forms = dataclasses.replace(config, last_token_labels=False)
    return config, dataclasses.replace(samples, texts=tuple(final_label(text, forms) for text in samples.texts))


def _read_raw(name: str, source: Path, workers: int) -> Iterator[Sample | Skip]:
    """All that raw data hold."""
    with ProgressLine(name) as progress:
        yield from read_data(name, source, workers=workers, progress=progress)


def _describe_prepared(config: DataConfig) -> dict[str, Any]:
    """What prepared data hold, all splits, though one is evaluated. Splits are counted where the data make them."""
    info = ensure_prepared(config)
    prepared = {
        "version": info.version,
        "source": info.source,
        "options": info.options,
        "skipped_reasons": info.skipped,
        "characters": info.characters,
    }
    if config.split in (BY_WRITER, *BY_UNIT):
        prepared["splits"] = {
            name: {"samples": split.samples, "writers": split.writers, "ids_hash": split.ids_sha256}
            for name, split in summarize_splits(config).items()
        }
    return prepared
