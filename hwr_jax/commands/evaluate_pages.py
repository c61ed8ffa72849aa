"""`hwr evaluate --end_to_end`: the text of whole pages from their images alone, against that of their files."""

import argparse
from collections.abc import Mapping
from typing import Any

from hwr_jax.commands.decoders import resolve_decoder
from hwr_jax.commands.options import print_json
from hwr_jax.errors import InputError

# Page files say themselves of which format they are.
_DATA = ("page_xml", "page_lines", "alto_lines", "copiste_lines")


def add_end_to_end_options(parser: argparse.ArgumentParser) -> None:
    """--end_to_end and what it takes."""
    group = parser.add_argument_group(
        "pages",
        "Reads the pages of ALTO and PAGE files from their images alone, finding the lines first, and compares the "
        "text of each page, its lines in reading order, with that of its file. See docs/pages.md.",
    )
    group.add_argument(
        "--end_to_end", action="store_true", help="do so with all pages of --source; --data=page_xml or none"
    )
    group.add_argument(
        "--line_finder", metavar="NAME_OR_PATH", help="what finds the lines (default: the package's line finder)"
    )


def evaluate_end_to_end(options: argparse.Namespace) -> int:
    """Prints the numbers of pages, and writes them where --output says."""
    if options.source is None:
        raise InputError("--end_to_end: give --source=PATH, the page files and their images")
    if options.data not in (None, *_DATA):
        raise InputError(f"--data={options.data}: --end_to_end reads ALTO and PAGE files; give --data=page_xml")
    if options.checkpoint != "best":
        raise InputError(f"--checkpoint={options.checkpoint}: not with --end_to_end, which takes the best")
    from hwr_jax.end_to_end import evaluate_pages
    from hwr_jax.line_finder import load_line_finder
    from hwr_jax.progress import ProgressLine
    from hwr_jax.routed_reader import load
    from hwr_jax.training.workdir import command_line, describe_software, write_json
    from hwr_jax.zoo.training_facts import describe_command

    reader = load(options.model, resolve_decoder(options, options.model), options.parts)
    with ProgressLine("pages") as progress:
        found = evaluate_pages(reader, load_line_finder(options.line_finder), options.source, progress)
    summary = {
        "model": getattr(reader.model, "name", options.model),
        "line_finder": options.line_finder or "page_lines",
        "decoder": reader.decoder_label,
        "source": options.source.name,
        **found,
        "evaluated_by": {"command": describe_command(command_line()), **describe_software()},
    }
    if options.output:
        write_json(options.output, summary)
    if options.json:
        print_json(summary, indent=2)
        return 0
    print(describe_pages(summary))
    if options.output:
        print(f"{'written':<12}{options.output}")
    return 0


def describe_pages(summary: Mapping[str, Any]) -> str:
    """A short table of what `hwr_jax.end_to_end.evaluate_pages` returns, with the model that read."""
    lines = f"{summary['lines']:,} with a text, {summary['lines_found']:,} found"
    rows = [
        ("model", f"{summary['model']}, lines by {summary['line_finder']}, decoder {summary['decoder']}"),
        ("pages", f"{summary['pages']:,} of {summary['source']}"),
        (
            "lines",
            lines + (f"; {summary['left_out']:,} more lie in writing of unknown text" * bool(summary["left_out"])),
        ),
        ("CER", f"{_rate(summary, 'cer')}   of the page's text, 95 % interval over pages"),
        ("given lines", f"{_rate(summary, 'cer_given_lines')}   with the lines of the file"),
        ("layout", f"{_rate(summary, 'cer_of_layout')}   the difference: what the layout costs"),
        ("any order", f"{_rate(summary, 'cer_any_order')}   whatever the order of the lines"),
        ("WER", f"{_rate(summary, 'wer')}   given lines: {_rate(summary, 'wer_given_lines').strip()}"),
        ("time", f"{summary['seconds']:8.1f} s"),
        *(("skipped", f"{count:8,}   {reason}") for reason, count in summary["skipped_reasons"].items()),
    ]
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def _rate(summary: Mapping[str, Any], name: str) -> str:
    rate, interval = summary[name], summary[f"{name}_interval"]
    if rate is None or interval is None:
        return f"{'-':>8}"
    return f"{100 * rate:8.2f} % ({100 * interval[0]:.2f} - {100 * interval[1]:.2f})"
