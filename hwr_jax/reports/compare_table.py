"""A comparison of runs as tables: plain text, Markdown and CSV."""

import csv
import io
import re
import textwrap
from collections.abc import Sequence

from hwr_jax.evaluation.compare import Comparison, Interval
from hwr_jax.evaluation.paired import tell_verdict
from hwr_jax.evaluation.recorded import RecordedRun
from hwr_jax.reports.page import count_of
from hwr_jax.text.bootstrap import PairedDifference

ABSENT = "-"
_LINE_WIDTH = 120
_CELL_WIDTHS = (40, 30, 24, 18, 14)

RESAMPLED = (
    "Intervals are 95 % bootstrap intervals over {over}. Differences are paired, over the same draws for both runs; "
    "beyond noise means that the interval of the difference excludes 0. "
    "A : B better in tells in what share of the draws either is."
)
ONE_SEED = (
    "This tells whether the trained models differ on other {over}, not whether the recipes would differ again with "
    "another seed."
)
MANY_PAIRS = "The intervals of the {count} pairs are not corrected for looking at many."


def tell_method(comparison: Comparison) -> list[str]:
    """What the intervals and verdicts mean, one sentence or two each."""
    told = [RESAMPLED.format(over=comparison.over), ONE_SEED.format(over=comparison.over)]
    if len(comparison.pairs) > 1:
        told.append(MANY_PAIRS.format(count=len(comparison.pairs)))
    return told


def tell_subject(comparison: Comparison) -> str:
    """What was compared: "test split of unipen_words, 7,539 samples by 37 writers, split rule ..."."""
    run = comparison.runs[0]
    writers = len({result.writer for result in run.results})
    data = list(dict.fromkeys(str(run.summary["data"]) for run in comparison.runs if run.summary.get("data")))
    rules = list(
        dict.fromkeys(str(run.summary["split_rule"]) for run in comparison.runs if run.summary.get("split_rule"))
    )
    parts = [
        f"{comparison.split} split" + (f" of {' and '.join(data)}" if data else ""),
        f"{count_of(run.results, 'sample')} by {count_of(range(writers), 'writer')}",
        *([f"split rule {' and '.join(rules)}"] if rules else []),
    ]
    return ", ".join(parts)


def write_text_tables(comparison: Comparison) -> str:
    """Aligned columns for a terminal of 120 characters."""
    results = [
        ("run", "parameters", "CER (95 % interval)", "WER (95 % interval)", "CER, no case"),
        *(
            (
                run.name,
                show_count(run.parameters),
                show_rate(_finite(run.totals.cer), comparison.cer_intervals[i]),
                show_rate(_finite(run.totals.wer), comparison.wer_intervals[i]),
                show_rate(_finite(run.totals.cer_casefolded)),
            )
            for i, run in enumerate(comparison.runs)
        ),
    ]
    costs = [
        ("run", "framework", "steps (evaluated)", "minutes", "words/s", "first step", "memory", "commit"),
        *(
            (
                run.name,
                run.framework,
                show_steps(run),
                show_minutes(run.training_seconds),
                show_count(run.samples_per_second),
                show_seconds(run.first_step_seconds),
                show_bytes(run.peak_memory_bytes),
                run.commit or ABSENT,
            )
            for run in comparison.runs
        ),
    ]
    pairs = [("A", "B", "", "A less B, points", "A : B better in", "p", "verdict"), *pair_rows(comparison)]
    blocks = [
        [tell_subject(comparison)],
        align_columns(results, left=(0,)),
        align_columns(costs, left=(0, 1, 7)),
        align_columns(pairs, left=(0, 1, 2, 6)),
        [*tell_method(comparison), *comparison.notes],
    ]
    wrapped = [[part for line in blocks[-1] for part in textwrap.wrap(line, _LINE_WIDTH)]]
    return "\n\n".join("\n".join(lines) for lines in blocks[:-1] + wrapped) + "\n"


def write_markdown(comparison: Comparison) -> str:
    """The table of runs, the pairs, the notes and what differs in the configuration."""
    runs = [
        (
            *("run", "framework", "parameters", "split", "samples", "writers", "CER (95 % interval)"),
            *("WER (95 % interval)", "CER, case ignored", "steps (evaluated)", "minutes", "words/s", "first step"),
            *("peak memory", "commit"),
        )
    ]
    for i, run in enumerate(comparison.runs):
        runs.append(
            (
                run.name,
                run.framework,
                show_count(run.parameters),
                comparison.split,
                show_count(len(run.results)),
                show_count(len({result.writer for result in run.results})),
                show_rate(_finite(run.totals.cer), comparison.cer_intervals[i]),
                show_rate(_finite(run.totals.wer), comparison.wer_intervals[i]),
                show_rate(_finite(run.totals.cer_casefolded)),
                show_steps(run),
                show_minutes(run.training_seconds),
                show_count(run.samples_per_second),
                show_seconds(run.first_step_seconds),
                show_bytes(run.peak_memory_bytes),
                run.commit or ABSENT,
            )
        )
    pairs = [
        ("A", "B", "rate", "A less B, points (95 % interval)", "A : B better in", "p", "verdict"),
        *pair_rows(comparison),
    ]
    names = tuple(run.name for run in comparison.runs)
    parts = [
        f"Compared: {tell_subject(comparison)}.",
        _markdown_table(runs),
        _markdown_table(pairs),
        "\n".join(f"- {_markdown(line)}" for line in [*tell_method(comparison), *comparison.notes]),
    ]
    if comparison.differences:
        parts.append(
            _markdown_table(
                [("differs", *names), *((name, *values) for name, values in comparison.differences.items())]
            )
        )
    return "\n\n".join(parts) + "\n"


def write_csv(comparison: Comparison) -> str:
    """One line a run, raw numbers in full precision; what is not known is empty."""
    rows = []
    for i, run in enumerate(comparison.runs):
        totals, cer, wer = run.totals, comparison.cer_intervals[i], comparison.wer_intervals[i]
        rows.append(
            {
                "run": run.name,
                "folder": str(run.folder),
                "framework": run.framework,
                "model": run.summary.get("model"),
                "parameters": run.parameters,
                "data": run.summary.get("data"),
                "split": comparison.split,
                "split_rule": run.summary.get("split_rule"),
                "decoder": run.summary.get("decoder"),
                "samples": totals.samples,
                "writers": len({result.writer for result in run.results}),
                "characters": totals.characters,
                "edits": totals.character_edits,
                "words": totals.words,
                "word_edits": totals.word_edits,
                "cer": _finite(totals.cer),
                "cer_lower": cer and cer[0],
                "cer_upper": cer and cer[1],
                "wer": _finite(totals.wer),
                "wer_lower": wer and wer[0],
                "wer_upper": wer and wer[1],
                "cer_casefolded": _finite(totals.cer_casefolded),
                "steps": run.steps,
                "evaluated_step": run.evaluated_step,
                "training_seconds": run.training_seconds,
                "samples_per_second": run.samples_per_second,
                "first_step_seconds": run.first_step_seconds,
                "peak_memory_bytes": run.peak_memory_bytes,
                "status": run.status.get("status"),
                "git": run.environment.get("git"),
            }
        )
    written = io.StringIO()
    writer = csv.DictWriter(written, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def pair_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Two rows a pair, CER and WER: A, B, rate, difference, shares of resamples, p, verdict."""
    rows: list[tuple[str, ...]] = []
    for pair in comparison.pairs:
        name_a, name_b = comparison.runs[pair.a].name, comparison.runs[pair.b].name
        for rate, difference in (("CER", pair.cer), ("WER", pair.wer)):
            numbers = show_difference(difference), show_shares(difference), show_p(difference)
            rows.append((name_a, name_b, rate, *numbers, tell_verdict(difference, name_a, name_b)))
    return rows


def align_columns(rows: Sequence[Sequence[str]], *, left: Sequence[int]) -> list[str]:
    """Rows of a table as lines of 120 characters or fewer; texts that are too long go on in the next line.

    Args:
      rows: of texts, the first of column names.
      left: the columns of texts; the others hold numbers, which are set to the right and never broken.
    """
    for width in _CELL_WIDTHS:
        lines = _align(rows, left, width)
        if max(map(len, lines)) <= _LINE_WIDTH:
            break
    return lines


def _align(rows: Sequence[Sequence[str]], left: Sequence[int], width: int) -> list[str]:
    cells = [
        [
            (textwrap.wrap(text, width, break_on_hyphens=False) or [""]) if column in left else [text]
            for column, text in enumerate(row)
        ]
        for row in rows
    ]
    widths = [max(len(line) for row in cells for line in row[column]) for column in range(len(rows[0]))]
    lines = []
    for row in cells:
        for number in range(max(map(len, row))):
            texts = [cell[number] if number < len(cell) else "" for cell in row]
            aligned = [
                text.ljust(size) if column in left else text.rjust(size)
                for column, (text, size) in enumerate(zip(texts, widths, strict=True))
            ]
            lines.append("  ".join(aligned).rstrip())
    return lines


def show_rate(rate: float | None, interval: Interval = None) -> str:
    """ "15.84 % (12.61 - 19.60)"."""
    if rate is None:
        return ABSENT
    return f"{100 * rate:.2f} %" + (f" ({100 * interval[0]:.2f} - {100 * interval[1]:.2f})" if interval else "")


def show_difference(difference: PairedDifference | None) -> str:
    """Percentage points: "-1.20 (-2.00 to -0.41)"."""
    if difference is None:
        return ABSENT
    middle, lower, upper = (_signed(100 * value) for value in (difference.difference, *difference.interval))
    return f"{middle} ({lower} to {upper})"


def show_shares(difference: PairedDifference | None) -> str:
    """In how many resamples A's rate was the lower one, and in how many B's."""
    if difference is None:
        return ABSENT
    return f"{100 * difference.share_a_lower:.1f} % : {100 * difference.share_b_lower:.1f} %"


def show_p(difference: PairedDifference | None) -> str:
    """ "< 0.001", "0.042"."""
    if difference is None:
        return ABSENT
    return "< 0.001" if difference.p_value < 0.001 else f"{difference.p_value:.3f}"


def show_count(value: int | float | None) -> str:
    """ "424,081"."""
    return ABSENT if value is None else f"{value:,.0f}"


def show_steps(run: RecordedRun) -> str:
    """ "2,400", and "2,400 (1,800)" where an earlier step is what was evaluated."""
    earlier = run.evaluated_step not in (None, run.steps)
    return show_count(run.steps) + (f" ({show_count(run.evaluated_step)})" if earlier else "")


def show_seconds(seconds: float | None) -> str:
    """ "4.2 s"."""
    return ABSENT if seconds is None else f"{seconds:,.1f} s"


def show_minutes(seconds: float | None) -> str:
    """Seconds as minutes: "38.1"."""
    return ABSENT if seconds is None else f"{seconds / 60:,.1f}"


def show_bytes(size: int | None) -> str:
    """ "812 MB", "3.4 GB", of 1000 each."""
    if size is None:
        return ABSENT
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def _signed(points: float) -> str:
    text = f"{points:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def _markdown_table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(map(_markdown, row))} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def _markdown(text: str) -> str:
    # An underscore inside a word is plain in Markdown.
    return " ".join(re.sub(r"[\\|*`<\[]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text).split())


def _finite(rate: float) -> float | None:
    return rate if rate == rate else None
