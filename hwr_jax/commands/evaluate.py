"""`hwr evaluate`: CER and WER of a trained model, on prepared data or on a raw tree."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwr_jax.commands.decoders import add_decoder_options, add_parts_option, resolve_decoder
from hwr_jax.commands.evaluate_pages import add_end_to_end_options, evaluate_end_to_end
from hwr_jax.commands.options import Parser, add_data_flags, json_path, print_json, run
from hwr_jax.errors import InputError

_EXAMPLES = """examples:
  hwr evaluate --workdir=runs/quickstart                      (the test split of the run's own data)
  hwr evaluate --workdir=runs/quickstart --split=validation --checkpoint=latest
  hwr evaluate --workdir=runs/quickstart --decoder=tuned      (as hwr tune-decoder left it)
  hwr evaluate --model=unipen_words --decoder=beam --language_model=words.arpa.gz --output=beam.json
  hwr evaluate --model=unipen_words --data=iam_words --source=iam/ --split=all --output=iam.json
  hwr evaluate --model=latin_lines --data=page_xml --source=pages/ --end_to_end
"""

# Of `hwr_jax.decoding.risk_coverage.LEVELS`; the JSON has the others.
_SHOWN_CONFIDENCES = (0.5, 0.9)


def main(argv: Sequence[str]) -> int:
    """Recognises every sample of a split, counts the errors, writes all of it and prints a short table."""
    options = _parse(argv)
    if options.end_to_end:
        return evaluate_end_to_end(options)
    if options.line_finder:
        raise InputError("--line_finder: has no effect without --end_to_end")
    from hwr_jax.result import evaluate
    from hwr_jax.zoo.model_records import CARD_FILE

    result = evaluate(
        options.model,
        options.data,
        options.source,
        options.split,
        resolve_decoder(options, options.model),
        options.parts,
        options.output,
        checkpoint=options.checkpoint,
        data_dir=options.data_dir or "",
        workers=options.workers,
        example_metric=options.example_metric,
        numbers_only=options.numbers_only,
        into_run=bool(options.workdir),
    )
    if options.json:
        print_json(result.summary, indent=2)
        return 0
    print(describe_summary(result.summary))
    for path in result.written:
        print(f"{'written':<10}{path}")
    if result.written and CARD_FILE not in {path.name for path in result.written}:
        print(f"{'kept':<10}{result.written[0].parent / CARD_FILE}: not written by an evaluation")
    return 0


def describe_summary(summary: Mapping[str, Any]) -> str:
    """A short table of what `hwr_jax.evaluation.summary.summarize` returns."""
    from hwr_jax.evaluation.summary import doubt_interval
    from hwr_jax.reports.tables import describe_writers

    over = f"95 % interval over {doubt_interval(summary) or summary['interval_over']}"
    words = f", WER {_percent(summary['wer_casefolded']).strip()}" if "wer_casefolded" in summary else ""
    error, settings = summary.get("expected_calibration_error"), summary.get("decoder_settings", {})
    calibration = "-" if error is None else f"{error:.4f} at temperature {settings.get('temperature', 1.0):.3g}"
    speed = summary["samples"] / summary["seconds"] if summary["seconds"] else 0.0
    rows = [
        ("model", summary["model"]),
        ("data", f"{summary['data']}, {summary['split']} (split rule {summary['split_rule']})"),
        ("samples", f"{summary['samples']:,} by {describe_writers(summary['writers'])}"),
        ("CER", f"{_percent(summary['cer'])}   {_between(summary['cer_interval'])}   {over}"),
        ("WER", f"{_percent(summary['wer'])}   {_between(summary['wer_interval'])}"),
        ("decoder", f"{summary.get('decoder', '-')}, expected calibration error {calibration}"),
        *(("accept", row) for row in _describe_risk(summary)),
        ("no case", f"{_percent(summary['cer_casefolded'])}   CER when case is ignored{words}"),
        ("loss", f"{summary['loss']:8.3f}   nats a sample" if summary["loss"] is not None else "-"),
        ("time", f"{summary['seconds']:8.1f} s, {speed:,.0f} samples/s"),
    ]
    if "example_mean_edit_distance" in summary:
        rows.append(
            ("example", f"{summary['example_mean_edit_distance']:8.3f}   the Keras example's mean edit distance")
        )
    if summary.get("ran_out"):
        rows.append(("ran out", f"{summary['ran_out']:8,}   samples without a text: the beam ran out"))
    if outside := settings.get("lexicon", {}).get("words_outside_alphabet"):
        rows.append(("unread", f"{outside:8,}   words of the lexicon, which the alphabet cannot spell"))
    rows += [("no loss", f"{count:8,}   {reason}") for reason, count in summary["loss_excluded"].items()]
    rows += [("skipped", f"{count:8,}   {reason}") for reason, count in summary["skipped_reasons"].items()]
    return "\n".join(f"{name:<10}{value}" for name, value in rows)


def _describe_risk(summary: Mapping[str, Any]) -> list[str]:
    """A row for each confidence that is shown."""
    table = summary.get("risk_coverage", {}).get("table", [])
    return [
        f"{100 * row['coverage']:8.1f} %   of samples have a confidence of at least {row['confidence']:g}, with "
        f"a CER of {_percent(row['cer']).strip()}"
        for row in table
        if row["confidence"] in _SHOWN_CONFIDENCES
    ]


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="hwr evaluate", description=main.__doc__, epilog=_EXAMPLES)
    parser.add_model_flags()
    add_parts_option(parser)
    parser.add_argument("--data", metavar="NAME", help="data set (default: what the model was trained on)")
    parser.add_argument("--source", type=Path, metavar="PATH", help="raw data to evaluate, in place of prepared data")
    parser.add_argument(
        "--split",
        choices=("train", "validation", "test", "all"),
        default="test",
        help="as the data are split (default test)",
    )
    add_data_flags(parser)
    parser.add_argument(
        "--output",
        type=json_path,
        metavar="FILE.json",
        help="default WORKDIR/evaluation/SPLIT.json, or SPLIT_DECODER.json if that is not greedy; predictions (.tsv), "
        "a sheet of samples (.png) and MODEL_CARD.md go beside it",
    )
    parser.add_argument(
        "--json", action="store_true", help="print all numbers as JSON, those of the file, in place of the table"
    )
    parser.add_argument(
        "--numbers_only", action="store_true", help="write no texts and no images: for data that must not be passed on"
    )
    parser.add_argument(
        "--example_metric", action="store_true", help="compute the Keras example's mean edit distance, too"
    )
    add_end_to_end_options(parser)
    add_decoder_options(parser)
    return parser.parse(argv)


def _percent(rate: float | None) -> str:
    return f"{100 * rate:8.2f} %" if rate is not None else f"{'-':>8}  "


def _between(interval: Sequence[float] | None) -> str:
    return f"({100 * interval[0]:.2f} - {100 * interval[1]:.2f})" if interval else "(-)"


if __name__ == "__main__":
    sys.exit(run("evaluate", main, sys.argv[1:]))
