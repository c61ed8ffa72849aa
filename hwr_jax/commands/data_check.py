"""`hwr data check`: reads a data set once, and reports what is wrong with it as text, JSON and a page."""

import argparse
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import json_path
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.config import ExperimentConfig
    from hwr_jax.data.checks.check import CheckRules, Findings
    from hwr_jax.data.sample import Sample, Skip
    from hwr_jax.evaluation.label_errors import LabelDoubter
    from hwr_jax.models.trained import TrainedModel

CHECK_DESCRIPTION = """Reads all samples once and reports what is wrong: images that cannot be read, are blank, turned
over or of extreme shapes; labels that are empty, outside the alphabet, too long, or spelled oddly; duplicates;
writers and pages in several splits; writers and sources with odd labels; rare characters. Writes all of it as JSON,
and as an HTML page with pictures. Exit status 1 if training would leave anything out.

With --config=NAME the alphabet, the image size, the split rule and the forms of labels are those of that config; with
--model=NAME those of that model, which also reads every image and reports the labels it doubts; else those of the
seed model."""

_MOST_CHARACTERS, _MOST_GROUPS, _MOST_SUSPECTS, _MOST_WORDS = 30, 8, 8, 6


def add_check_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `hwr data check` alone takes."""
    parser.add_argument(
        "--output",
        type=json_path,
        metavar="FILE.json",
        help="where to write; the page goes beside it as FILE.html (default: DATA_DIR/checks/NAME.json)",
    )
    parser.add_argument(
        "--model", metavar="NAME_OR_PATH", help="reads every image; the labels that it doubts are reported"
    )


def check(args: argparse.Namespace, items: "Iterable[Sample | Skip]", *, prepared: bool) -> int:
    """Runs `hwr data check` on items, which are read when asked for. Returns the exit status."""
    from hwr_jax.data.checks.check import check_data
    from hwr_jax.data.formats.synthetic import SYNTHETIC
    from hwr_jax.data.loading import settle_split
    from hwr_jax.data.prepared import default_data_dir
    from hwr_jax.data.splits import rule_name
    from hwr_jax.evaluation.label_errors import LabelDoubter
    from hwr_jax.files import write_text
    from hwr_jax.reports.check_page import build_check_page
    from hwr_jax.training.load import load_model

    started = time.monotonic()
    model = load_model(args.model) if args.model else None
    config = _find_config(args, model)
    if prepared and args.name != SYNTHETIC:  # What an older version prepared, training splits by writer.
        data = dataclasses.replace(config.data, data_dir=str(args.data_dir or config.data.data_dir))
        config = dataclasses.replace(config, data=settle_split(data))
    rules = _make_rules(args, config, model, prepared)
    doubter = LabelDoubter(model.log_probs, model.alphabet, rules.frames) if model else None
    findings = check_data(items, rules, workers=args.workers, see_images=doubter.see if doubter else None)
    path = args.output or (args.data_dir or default_data_dir()) / "checks" / f"{args.name.replace('/', '.')}.json"
    facts = {
        "data": args.name,
        "source": str(args.source) if args.source else "prepared",
        "split_rule": rule_name(findings.split),
        "alphabet": model.alphabet.characters if model else config.model.alphabet,
        "frame": f"{config.model.width_px} x {config.model.height_px} px, {config.data.preprocessing}",
        "frames": config.model.frames,
        "model": model.name if model else None,
        "read": findings.items,
        "would_be_left_out": findings.drops,
    }
    seconds = round(time.monotonic() - started, 1)
    content = {**facts, "seconds": seconds, **findings.plain(), **_plain_suspects(doubter)}
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    write_text(path.with_suffix(".html"), build_check_page(findings, facts, doubter))
    print("\n".join(describe_findings(findings, doubter)))
    print(f"{'seconds':<12}{seconds:>10,.1f}")
    print(f"written: {path}, {path.with_suffix('.html')}")
    return 1 if findings.drops else 0


def describe_findings(findings: "Findings", doubter: "LabelDoubter | None") -> list[str]:
    """The lines to print."""
    from hwr_jax.data.checks.check import RARE_BELOW
    from hwr_jax.data.checks.examination import name_characters
    from hwr_jax.data.sample import describe_skips
    from hwr_jax.reports.check_page import count_suspects, describe_lost
    from hwr_jax.reports.tables import show_number

    lines = [f"{'split':<12}{'samples':>10}{'writers':>10}"]
    lines += [
        f"{split:<12}{count:>10,}{show_number(findings.writers[split]):>10}" for split, count in findings.kept.items()
    ]
    lines.append(f"{'left out':<12}{findings.drops:>10,}")
    lines += findings.remarks
    for part, left_out in findings.left_out.items():
        if left_out:
            what = {"train": "of training", "reading": "when read"}.get(part, f"of {part}")
            lines.append(f"  {what}: {describe_skips(Counter(left_out.values()))}")
    suspects = count_suspects(doubter)
    counts = [(kind, len(found)) for kind, found in findings.cases.items()]
    counts += [(kind, count) for kind, count, _ in suspects if count]
    lines += ["found", *(f"  {kind:<42}{count:>10,}" for kind, count in counts)] if counts else ["found nothing odd"]
    lines += [lost] if (lost := describe_lost(doubter)) else []
    if findings.outside:
        lines.append(f"characters outside the alphabet, with their labels: {_list(findings.outside)}")
    if rare := {character: count for character, count in findings.rare.items() if count}:
        lines.append(f"seen fewer than {RARE_BELOW} times in training: {_list(rare)}")
    if never := [character for character, count in findings.rare.items() if not count]:
        shown = " ".join(c if c.isprintable() and c != " " else name_characters([c]) for c in never[:_MOST_CHARACTERS])
        lines.append(f"never seen in training: {shown}{_more(len(never), _MOST_CHARACTERS)}")
    for what, groups in findings.odd.items():
        if groups:
            lines.append(f"odd {what}: labels unlike all others' (usual: {groups[0].usual_bits:.2f} bits a character)")
        for group in groups[:_MOST_GROUPS]:
            words = " ".join(group.words[:_MOST_WORDS])
            lines.append(f"  {group.name:<24} {group.bits:5.2f} bits, {group.labels:>6,} labels: {words}")
        if more := _more(len(groups), _MOST_GROUPS):
            lines.append(f"  {more.strip(', ')}")
    for kind, _, worst in suspects:
        lines += [f"{kind}, the worst:"] * bool(worst)
        lines += [f"  {one.id}: {one.text!r}, read as {one.reading!r}" for one in worst[:_MOST_SUSPECTS]]
    return lines


def _find_config(args: argparse.Namespace, model: "TrainedModel | None") -> "ExperimentConfig":
    from hwr_jax.config import ExperimentConfig, ModelConfig, resolve_config
    from hwr_jax.result import data_config
    from hwr_jax.strict import build_dataclass

    if model is None:
        config = resolve_config(args.config) if args.config else ExperimentConfig()
        return dataclasses.replace(config, data=dataclasses.replace(config.data, name=args.name))
    if args.config:
        raise InputError("--config: a model brings its own config; give one of --config and --model")
    sizes = build_dataclass(ModelConfig, model.config["model"], "model")
    return ExperimentConfig(data=data_config(model, args.name), model=sizes)


def _make_rules(
    args: argparse.Namespace, config: "ExperimentConfig", model: "TrainedModel | None", prepared: bool
) -> "CheckRules":
    from hwr_jax.data.checks.check import CheckRules
    from hwr_jax.data.prepared import load_given_splits, load_listed
    from hwr_jax.data.splits import GIVEN
    from hwr_jax.ink.model_input import preprocessing_of
    from hwr_jax.text.alphabet import FROM_DATA, resolve_alphabet

    named = None if config.model.alphabet in FROM_DATA else config.model.alphabet
    return CheckRules(
        data=config.data,
        alphabet=model.alphabet if model else resolve_alphabet(named) if named else None,
        preprocessing=preprocessing_of(config),
        frames=config.model.frames,
        given=load_given_splits(args.name, args.data_dir) if prepared and config.data.split == GIVEN else {},
        listed=(lambda: load_listed(args.name, args.data_dir)) if prepared else None,
    )


def _plain_suspects(doubter: "LabelDoubter | None") -> dict[str, Any]:
    from hwr_jax.reports.check_page import count_suspects

    reads: dict[str, Any] = {}
    if doubter and doubter.edits.characters:
        reads = {"model_cer": round(doubter.edits.cer, 4), "model_reads_it": not doubter.is_lost}
    return reads | {
        kind.replace(" ", "_"): {
            "count": count,
            "worst": [
                {name: getattr(one, name) for name in ("id", "text", "reading")}
                | {name: round(getattr(one, name), 4) for name in ("loss", "loss_per_character")}
                for one in worst
            ],
        }
        for kind, count, worst in count_suspects(doubter)
    }


def _list(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{character!r} {count:,}" for character, count in list(counts.items())[:_MOST_CHARACTERS])
    return shown + _more(len(counts), _MOST_CHARACTERS)


def _more(count: int, shown: int) -> str:
    return f", and {count - shown:,} more" if count > shown else ""
