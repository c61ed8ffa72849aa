"""`hwr evaluate`: CER and WER of a trained model, on prepared data or on a raw tree."""

import argparse
import dataclasses
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.decoders import add_decoder_options, build_from_settings, resolve_settings
from hwr_jax.commands.options import Parser, run
from hwr_jax.commands.progress import ProgressLine
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.config import DataConfig
    from hwr_jax.data.preprocessed import PreprocessedSamples
    from hwr_jax.data.sample import Sample, Skip
    from hwr_jax.models.trained import TrainedModel

BATCH_SIZE = 256
ALL = "all"
SPLITS = ("train", "validation", "test", ALL)

_EXAMPLES = """examples:
  hwr evaluate --workdir=runs/quickstart                              the test split of the run's own data
  hwr evaluate --workdir=runs/quickstart --split=validation --checkpoint=latest
  hwr evaluate --workdir=runs/quickstart --decoder=tuned              as hwr tune-decoder left it
  hwr evaluate --model=unipen_words --decoder=beam --language_model=words.arpa.gz --output=beam.json
  hwr evaluate --model=unipen_words --data=iam_words --source=iam/ --split=all --output=iam.json
"""


def main(argv: Sequence[str]) -> int:
    """Reads every sample of a split, writes the numbers and readings, and prints a short table."""
    options = _parse(argv)

    # Orbax tells through absl that it opens a run's checkpoints for reading only.
    logging.getLogger("absl").setLevel(logging.ERROR)
    from hwr_jax.data.split_rules import rule_name
    from hwr_jax.decoding.settings import describe_settings
    from hwr_jax.evaluation.evaluate import evaluate_samples
    from hwr_jax.evaluation.example_metric import metric_of_results
    from hwr_jax.evaluation.summary import summarize
    from hwr_jax.reports.evaluation_facts import describe_evaluator, describe_parameters, describe_prepared
    from hwr_jax.reports.report import write_report
    from hwr_jax.reports.write import write_evaluation
    from hwr_jax.training.workdir import write_json

    model = _load_model(options)
    settings = resolve_settings(options, str(options.workdir or options.model))
    decoder, parts = build_from_settings(settings, model.alphabet)
    data_name = _data_name(options, model)
    samples = _load_samples(options, model, data_name)
    if not len(samples):
        reasons = f"; {len(samples.skipped):,} were skipped" if samples.skipped else ""
        raise InputError(f"data {data_name!r}, split {options.split!r}: no samples{reasons}; try --split=all")
    with ProgressLine("read") as progress:
        evaluation = evaluate_samples(
            model.log_probs,
            model.alphabet,
            samples,
            decoder=decoder,
            batch_size=BATCH_SIZE,
            poll=_count_batches(progress, len(samples)),
        )
        progress(len(samples), len(samples))
    summary = summarize(
        evaluation,
        decoder=settings.label,
        decoder_settings=describe_settings(settings, parts),
        model=model.name,
        parameters=model.parameters,
        data=data_name,
        split=options.split,
        split_rule=rule_name(_data_config(options, model, data_name).split),
    )
    if options.example_metric:
        summary["example_mean_edit_distance"] = metric_of_results(
            evaluation.results, model.alphabet, model.config["data"]["batch_size"]
        )
    summary |= describe_parameters(model.tree) | describe_evaluator()
    if not options.source:
        summary |= describe_prepared(_data_config(options, model, data_name))
    print(describe_summary(summary))
    path = options.output or (options.workdir and _default_output(options.workdir, options.split, settings.label))
    written: list[Path] = []
    if path and options.numbers_only:
        write_json(path, summary)
        written = [path]
    elif path:
        written = write_evaluation(path, evaluation, summary, samples.images_NxHxW)
    if path:
        written += _write_card(path, options, model, summary)
    if options.workdir:
        written.append(write_report(options.workdir, evaluation, samples.images_NxHxW, summary))
    for path in written:
        print(f"{'written':<10}{path}")
    return 0


def describe_summary(summary: Mapping[str, Any]) -> str:
    """A short table of what `hwr_jax.evaluation.evaluate.summarize` returns."""
    over = f"95 % interval over {summary['interval_over']}"
    speed = summary["samples"] / summary["seconds"] if summary["seconds"] else 0.0
    rows = [
        ("model", summary["model"]),
        ("data", f"{summary['data']}, {summary['split']} (split rule {summary['split_rule']})"),
        ("samples", f"{summary['samples']:,} by {summary['writers']:,} writer{'s' * (summary['writers'] != 1)}"),
        ("CER", f"{_percent(summary['cer'])}   {_between(summary['cer_interval'])}   {over}"),
        ("WER", f"{_percent(summary['wer'])}   {_between(summary['wer_interval'])}"),
        ("decoder", f"{summary.get('decoder', '-')}, expected calibration error {_calibration(summary)}"),
        ("no case", _without_case(summary)),
        ("loss", f"{summary['loss']:8.3f}   nats a sample" if summary["loss"] is not None else "-"),
        ("time", f"{summary['seconds']:8.1f} s, {speed:,.0f} samples/s"),
    ]
    if "example_mean_edit_distance" in summary:
        rows.append(
            ("example", f"{summary['example_mean_edit_distance']:8.3f}   the Keras example's mean edit distance")
        )
    if summary.get("ran_out"):
        rows.append(("ran out", f"{summary['ran_out']:8,}   samples without a text: the beam ran out"))
    if outside := summary.get("decoder_settings", {}).get("lexicon", {}).get("words_outside_alphabet"):
        rows.append(("unread", f"{outside:8,}   words of the lexicon, which the alphabet cannot spell"))
    rows += [("no loss", f"{count:8,}   {reason}") for reason, count in summary["loss_excluded"].items()]
    rows += [("skipped", f"{count:8,}   {reason}") for reason, count in summary["skipped_reasons"].items()]
    return "\n".join(f"{name:<10}{value}" for name, value in rows)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="hwr evaluate", description=main.__doc__, epilog=_EXAMPLES)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--workdir", type=Path, help="a run's folder; its report.html is written anew")
    which.add_argument("--model", metavar="NAME_OR_PATH", help="a shipped model, an exported folder or a workdir")
    parser.add_argument("--checkpoint", choices=("best", "latest"), default="best", help="of a run (default best)")
    parser.add_argument("--data", metavar="NAME", help="data set (default: what the model was trained on)")
    parser.add_argument("--source", type=Path, metavar="PATH", help="raw data to read, instead of prepared data")
    parser.add_argument("--split", choices=SPLITS, default="test", help="by writer (default test)")
    parser.add_argument("--data_dir", type=Path, help="holds prepared data (default: as the run, or the cache)")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE.json",
        help="default WORKDIR/evaluation/SPLIT.json, SPLIT_DECODER.json if that is not greedy; .tsv, .png and "
        "MODEL_CARD.md beside it",
    )
    parser.add_argument(
        "--numbers_only",
        action="store_true",
        help="write no readings and no images: of data that must not be passed on",
    )
    parser.add_argument(
        "--example_metric", action="store_true", help="also the Keras example's mean edit distance, in the JSON"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    add_decoder_options(parser)
    options = parser.parse_args(argv)
    if options.output and options.output.suffix != ".json":
        raise InputError(f"--output={options.output}: must end in .json")
    if options.workers < 1:
        raise InputError(f"--workers={options.workers}: must be at least 1")
    return options


def _default_output(workdir: Path, split: str, label: str) -> Path:
    """Other decoders leave the greedy evaluation in place: runs are compared by it."""
    name = split if label == "greedy" else f"{split}_{label.replace(' + ', '_').replace(' ', '_')}"
    return workdir / "evaluation" / f"{name}.json"


def _load_model(options: argparse.Namespace) -> "TrainedModel":
    from hwr_jax.training.load import load_model

    if options.workdir and not (options.workdir / "checkpoints").is_dir():
        raise InputError(f"--workdir={options.workdir}: holds no run; train one with hwr train --workdir=...")
    return load_model(str(options.workdir or options.model), options.checkpoint)


def _data_name(options: argparse.Namespace, model: "TrainedModel") -> str:
    from hwr_jax.data.formats.table import check_data_name

    name = options.data or model.config["data"]["name"]
    check_data_name(name)
    return name


def _load_samples(options: argparse.Namespace, model: "TrainedModel", data_name: str) -> "PreprocessedSamples":
    from hwr_jax.data.labels import final_label
    from hwr_jax.data.preprocessed import preprocess_samples

    if options.source:
        _refuse_other_rules(options, model, data_name)
        samples = preprocess_samples(_raw_samples(options, data_name), model.preprocessing, workers=options.workers)
        forms = dataclasses.replace(_data_config(options, model, data_name), last_token_labels=False)
        return dataclasses.replace(samples, texts=tuple(final_label(text, forms) for text in samples.texts))
    return _prepared_samples(options, model, data_name)


def _refuse_other_rules(options: argparse.Namespace, model: "TrainedModel", data_name: str) -> None:
    """Raw data are split by writer: wrong for a model that was trained on those writers by another rule."""
    from hwr_jax.data.split_rules import BY_WRITER

    rule = _data_config(options, model, data_name).split
    if rule != BY_WRITER and options.split != ALL:
        raise InputError(
            f"--split={options.split}: the model's split rule ({rule}) needs prepared data; run hwr data prepare "
            f"{data_name} --source={options.source} and leave --source out, or give --split=all"
        )


def _raw_samples(options: argparse.Namespace, data_name: str) -> "Iterator[Sample | Skip]":
    """The samples of the split, and all skips: what was skipped has no writer to tell its split by."""
    from hwr_jax.data.formats.table import read_data
    from hwr_jax.data.sample import Skip
    from hwr_jax.data.splits import split_of

    total: list[int] = []
    items = read_data(data_name, options.source, workers=options.workers, tell_total=total.append)
    with ProgressLine(data_name) as progress:
        for done, item in enumerate(items, start=1):
            progress(done, total[0] if total else None)
            if isinstance(item, Skip) or options.split in (ALL, split_of(item.writer)):
                yield item


def _data_config(options: argparse.Namespace, model: "TrainedModel", data_name: str) -> "DataConfig":
    """Of the model's own data, or of others split by writer."""
    from hwr_jax.config import DataConfig
    from hwr_jax.strict import build_dataclass

    config = build_dataclass(DataConfig, model.config["data"], "data")
    if data_name != config.name:
        config = DataConfig(name=data_name, casefold=config.casefold, plain_marks=config.plain_marks)
    data_dir = str(options.data_dir) if options.data_dir else config.data_dir
    return dataclasses.replace(config, data_dir=data_dir, workers=options.workers)


def _prepared_samples(options: argparse.Namespace, model: "TrainedModel", data_name: str) -> "PreprocessedSamples":
    from hwr_jax.data.loading import ensure_prepared, load_split
    from hwr_jax.data.preprocessed import join_samples

    config = _data_config(options, model, data_name)
    with ProgressLine(data_name) as progress:
        ensure_prepared(config, progress=progress)
    splits = SPLITS[:-1] if options.split == ALL else (options.split,)
    return join_samples([load_split(config, split, model.preprocessing) for split in splits])


def _count_batches(progress: Callable[[int, int | None], None], total: int) -> Callable[[], None]:
    done = 0

    def poll() -> None:
        nonlocal done
        progress(min(done, total), total)
        done += BATCH_SIZE

    return poll


def _write_card(
    path: Path, options: argparse.Namespace, model: "TrainedModel", summary: Mapping[str, Any]
) -> list[Path]:
    """The card beside the evaluation; what is told of the training comes from the model's folder."""
    from hwr_jax.reports.write_card import describe_model, write_card
    from hwr_jax.training.load import model_folder
    from hwr_jax.zoo.model_records import CARD_FILE, PRETRAINED
    from hwr_jax.zoo.training_facts import gather_about

    name = str(options.workdir or options.model)
    folder = model_folder(name) or PRETRAINED / name
    card = describe_model(
        model.name,
        model.config,
        model.alphabet,
        model.parameters,
        gather_about(folder, model.name),
        parameters_sha256=summary["parameters_sha256"],
        shipped=folder.resolve().parent == PRETRAINED,
    )
    written = write_card(path.parent, card, path.name)
    if written is None:
        print(f"{'kept':<10}{path.parent / CARD_FILE}: not written by an evaluation")
    return [written] if written else []


def _without_case(summary: Mapping[str, Any]) -> str:
    words = f", WER {_percent(summary.get('wer_casefolded')).strip()}" if "wer_casefolded" in summary else ""
    return f"{_percent(summary['cer_casefolded'])}   CER when case is ignored{words}"


def _calibration(summary: Mapping[str, Any]) -> str:
    error = summary.get("expected_calibration_error")
    temperature = summary.get("decoder_settings", {}).get("temperature", 1.0)
    return "-" if error is None else f"{error:.4f} at temperature {temperature:.3g}"


def _percent(rate: float | None) -> str:
    return f"{100 * rate:8.2f} %" if rate is not None else f"{'-':>8}  "


def _between(interval: Sequence[float] | None) -> str:
    return f"({100 * interval[0]:.2f} - {100 * interval[1]:.2f})" if interval else "(-)"


if __name__ == "__main__":
    sys.exit(run("evaluate", main, sys.argv[1:]))
