"""`hwr models`: the models of the package, of a folder or of runs, with what is recorded of them."""

import argparse
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.columns import align_columns
from hwr_jax.commands.models_hub import HUB_COMMANDS
from hwr_jax.commands.options import Parser, print_json, run
from hwr_jax.errors import InputError
from hwr_jax.reports.tables import markdown_table, show_percent

if TYPE_CHECKING:
    from hwr_jax.zoo.model_records import ModelRecord

_EPILOG = """examples:
  hwr models                       the models that come with the package
  hwr models unipen_words          the card of one of them
  hwr models runs/                 all runs in a folder
  hwr models --card runs/words     the card of a run, as its evaluation wrote it
  hwr models pull hf://OWNER/NAME  fetch a model of the Hugging Face hub
  hwr models push runs/words hf://OWNER/NAME
"""
_HEAD = ("model", "reads", "language", "made of", "CER %", "MB")
_NUMBERS = (4, 5)
_DETAILS_HEAD = ("model", "reads", "parameters", "CER %", "WER %", "measured on", "MB", "trained on", "data's licence")
_DETAILS_NUMBERS = (2, 3, 4, 6)
_WIDTH = 80


def main(argv: Sequence[str]) -> int:
    """Prints a table, or a card; or pulls or pushes a model."""
    if argv and argv[0] in HUB_COMMANDS:
        return HUB_COMMANDS[argv[0]](argv[1:])
    options = _parse(argv)

    from hwr_jax.zoo.model_records import find_records, shipped_records

    if options.card:
        for path in options.models:
            print(_read_card(path), end="")
        return 0
    shipped = not options.models
    records = shipped_records() if shipped else [one for path in options.models for one in find_records(Path(path))]
    defaults = _find_defaults(records) if shipped else {}
    if options.json:
        uses = _find_uses(records)
        print_json([_plain(record, defaults, uses.get(record.name)) for record in records], indent=2)
        return 0
    details = [_DETAILS_HEAD, *map(_describe, records)]
    if options.markdown:
        print(markdown_table(details, right=_DETAILS_NUMBERS))
        return 0
    if options.details:
        print(align_columns(details, right=_DETAILS_NUMBERS, rule=True))
    else:
        print(align_columns([_HEAD, *map(_row, records)], right=_NUMBERS, max_width=_WIDTH, rule=True))
        if uses := _find_uses(records):
            print(f"\n{align_columns([('use', 'for'), *uses.items()], rule=True)}")
    notes = [*_notes(records, defaults), *(_describe_licences(records) if options.details else [])]
    if shipped:
        notes += _notes_on_line_finders()
    if shipped and not options.details:
        notes.append("hwr models NAME prints a model's card, hwr models --details all columns and the licences.")
    print("\n".join(["", *(textwrap.fill(note, _WIDTH) for note in notes)]))
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="hwr models",
        description="Lists the models of the package, or of the folders given: whether they read words or lines, the "
        "language, whether they learnt from ink or from pen strokes, the recorded CER with its 95 % interval, the "
        "size, and what to use each for. For a name, prints the card.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "models",
        nargs="*",
        metavar="NAME_OR_PATH",
        help="a model of the package, an exported folder, a run, or a folder of such",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects, with the evaluations in full")
    form.add_argument(
        "--details", action="store_true", help="parameters, WER, training data and licences too, in a wide table"
    )
    form.add_argument("--markdown", action="store_true", help="the wide table in Markdown")
    form.add_argument("--card", action="store_true", help="print the cards instead")
    options = parser.parse_args(argv)
    if options.card and not options.models:
        raise InputError("--card: of which model? Give its name or path")
    names = [name for name in options.models if _is_shipped(name)]
    if names and len(names) < len(options.models) and not (options.card or options.json or options.markdown):
        raise InputError(
            f"{names[0]}: is a name, whose card would be printed; list it with paths by --json or --markdown"
        )
    options.card = options.card or (bool(names) and not (options.json or options.markdown))
    if not options.card:
        options.models = [str(_folder(name)) for name in options.models]
    return options


def _is_shipped(name: str) -> bool:
    from hwr_jax.zoo.model_records import PRETRAINED, is_exported, line_finder_names

    return "/" not in name and (is_exported(PRETRAINED / name) or name in line_finder_names())


def _folder(name: str) -> Path:
    from hwr_jax.zoo.model_records import PRETRAINED

    return PRETRAINED / name if _is_shipped(name) else Path(name)


def _read_card(name: str) -> str:
    from hwr_jax.zoo.model_records import CARD_FILE, is_exported, line_finder_names, read_record

    if name in line_finder_names():
        return (_folder(name) / CARD_FILE).read_text(encoding="utf-8")
    if not _folder(name).is_dir():
        raise InputError(f"{name}: no such folder, nor the name of a model that comes with the package")
    record = read_record(_folder(name))
    try:
        return record.card.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        exported = f"--model={name} --output={record.card.parent}/test.json"
        how = exported if is_exported(record.folder) else f"--workdir={name}"
        raise InputError(f"{name}: has no card; hwr evaluate {how} writes it") from error


def _find_defaults(records: "Sequence[ModelRecord]") -> dict[str, tuple[list[str], str]]:
    """Name of a model -> the commands that take it by itself, and why."""
    from hwr_jax.zoo.model_records import INK_LINES, LINES, PAGES, WORDS, choose_model

    defaults: dict[str, tuple[list[str], str]] = {}
    commands = {"hwr read": WORDS, "hwr read LINE": LINES, "hwr read --page": PAGES, "hwr read NOTE.xopp": INK_LINES}
    for command, what in commands.items():
        try:
            model, why = choose_model(records, what)
        except InputError:  # A package without such a model: --model must be given, and hwr read says so.
            continue
        before, _ = defaults.get(model.name, ([], why))
        defaults[model.name] = ([*before, command], why)
    return defaults


def _row(record: "ModelRecord") -> tuple[str, ...]:
    found = record.evaluation or {}
    cer = _rate(found, "cer") if found else str(record.status.get("status", "-"))
    told = (record.reads or "-", record.language or "-", record.medium or "-")
    return record.name, *told, cer, f"{record.file_bytes / 1e6:.1f}"


def _describe(record: "ModelRecord") -> tuple[str, ...]:
    found = record.evaluation or {}
    reads = ", ".join(part for part in (record.reads, record.input_size) if part)
    return (
        record.name,
        reads or "-",
        f"{record.parameters:,}" if record.parameters is not None else "-",
        _rate(found, "cer"),
        _rate(found, "wer"),
        f"{found['samples']:,} {found['split']}" if found else str(record.status.get("status", "-")),
        f"{record.file_bytes / 1e6:.1f}",
        ", ".join(reversed(record.trained_on)) or "-",
        record.terms,
    )


def _find_uses(records: "Sequence[ModelRecord]") -> dict[str, str]:
    """Name of a model -> for which images to take it rather than the others, where that is recorded."""
    from hwr_jax.data.formats.base import INK, STROKES
    from hwr_jax.zoo.model_records import LINES, WORDS

    reads = {WORDS: "single words", LINES: "lines"}
    media = {INK: " scanned from paper", STROKES: " written on a screen"}
    uses: dict[str, str] = {}
    best: dict[str, ModelRecord] = {}
    measured = [record for record in records if record.reads and record.evaluation]
    for record in sorted(measured, key=lambda record: (record.evaluation or {})["cer"]):
        what = " ".join(filter(None, (record.language, reads[record.reads]))) + media.get(record.medium, "")
        first = best.setdefault(what, record)
        times = first.file_bytes / max(record.file_bytes, 1)
        why = (
            "the most accurate" if first is record else f"{times:.0f} times smaller" if times >= 2 else "less accurate"
        )
        uses[record.name] = f"{what}: {why}"
    return {record.name: uses[record.name] for record in records if record.name in uses}


def _rate(values: Mapping[str, Any], name: str) -> str:
    rate, interval = values.get(name), values.get(f"{name}_interval")
    if rate is None:
        return "-"
    between = f" ({100 * interval[0]:.2f} - {100 * interval[1]:.2f})" if interval else ""
    return f"{100 * rate:.2f}{between}"


def _notes(records: "Sequence[ModelRecord]", defaults: Mapping[str, tuple[list[str], str]]) -> list[str]:
    notes = []
    for name, (commands, why) in defaults.items():
        notes.append(f"{' and '.join(commands)} {'takes' if len(commands) == 1 else 'take'} {name} by itself: {why}.")
    notes += ["CER and WER as recorded: greedy, on the model's own data, with 95 % bootstrap intervals over writers."]
    notes += [f"{record.name}: {_describe_sources(record)}." for record in records if _sources(record)]
    notes += [
        f"{record.name}: {', '.join(record.stale)} left out: of other parameters; evaluate again"
        for record in records
        if record.stale
    ]
    return notes


def _notes_on_line_finders() -> list[str]:
    from hwr_jax.zoo.model_records import PRETRAINED, find_parameters, line_finder_names

    return [
        f"{name} finds the lines of pages ({find_parameters(PRETRAINED / name).stat().st_size / 1e6:.1f} MB): "
        "hwr layout takes it by itself."
        for name in line_finder_names()
    ]


def _sources(record: "ModelRecord") -> Mapping[str, Any]:
    return (record.evaluation or {}).get("sources", {})


def _describe_sources(record: "ModelRecord") -> str:
    """The CER of each data set of a mixture, such as "CER of letters 5.1 %, of wills 9.0 %, mean 7.0 %"."""
    rates = ", of ".join(f"{key} {show_percent(one['cer'])}" for key, one in _sources(record).items())
    return f"CER of {rates}, mean {show_percent((record.evaluation or {}).get('cer_mean'))}"


def _describe_licences(records: "Sequence[ModelRecord]") -> list[str]:
    from hwr_jax.zoo.model_records import describe_terms

    shipped = [record for record in records if record.shipped]
    usual = dict.fromkeys(name for record in shipped if record.has_usual_terms for name in record.trained_on)
    sentences = dict.fromkeys(describe_terms([name]) for name in usual)
    own = [f"{record.name}: {record.licence}" for record in shipped if not record.has_usual_terms]
    return [*sentences, *own]


def _plain(record: "ModelRecord", defaults: Mapping[str, tuple[list[str], str]], use: str | None) -> dict[str, Any]:
    return {
        "name": record.name,
        "folder": str(record.folder),
        "shipped": record.shipped,
        "default_of": defaults.get(record.name, ([], ""))[0],
        "reads": record.reads or None,
        "language": record.language or None,
        "medium": record.medium or None,
        "use_for": use,
        "frame": record.input_size or None,
        "parameters": record.parameters,
        "trained_on": list(record.trained_on),
        "bytes": record.file_bytes,
        "licence": record.licence,
        "status": record.status.get("status"),
        "evaluations": dict(record.evaluations),
        "stale_evaluations": list(record.stale),
    }


if __name__ == "__main__":
    sys.exit(run("models", main, sys.argv[1:]))
