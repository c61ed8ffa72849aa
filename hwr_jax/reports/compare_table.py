"""A comparison of runs as tables: plain text, Markdown and CSV."""

import csv
import io
import textwrap
from collections.abc import Sequence

from hwr_jax.columns import align_columns
from hwr_jax.evaluation.compare import Comparison, tell_verdict
from hwr_jax.evaluation.recorded import RecordedRun
from hwr_jax.messages import count_of
from hwr_jax.reports.tables import ABSENT, escape_markdown, markdown_table, show_bytes, show_number, show_rate
from hwr_jax.text.bootstrap import PairedDifference

RESULTS = ("run", "parameters", "CER (95 % interval)", "WER (95 % interval)", "CER, case ignored")
COSTS = ("run", "framework", "steps (evaluated)", "minutes", "samples/s", "first step", "peak memory", "commit")
PAIRS = ("A", "B", "rate", "A less B, points (95 % interval)", "A : B better in", "p", "verdict")
_LINE_WIDTH = 120
_RATES = ("cer", "wer", "cer_casefolded")
_RAW_COSTS = (
    "steps",
    "evaluated_step",
    "training_seconds",
    "samples_per_second",
    "first_step_seconds",
    "peak_memory_bytes",
)


def describe_method(comparison: Comparison) -> list[str]:
    """What the intervals and verdicts mean, a sentence or more each."""
    over = comparison.over
    lines = [
        f"Intervals are 95 % bootstrap intervals over {over}. Differences are paired, over the same draws for both "
        'runs; "beyond noise" means that the interval of the difference excludes 0. "A : B better in" is the share of '
        "the draws in which either is better.",
        f"This says whether the trained models differ on other {over}, not whether the recipes would differ again "
        "with another seed.",
    ]
    if len(comparison.pairs) > 1:
        lines.append(f"The intervals of the {len(comparison.pairs)} pairs are not corrected for looking at many.")
    return lines


def describe_subject(comparison: Comparison) -> str:
    """What was compared: "test split of unipen_words, 7,539 samples by 37 writers, split rule ..."."""

    def names_in(field: str) -> str:
        return " and ".join(dict.fromkeys(str(run.summary[field]) for run in comparison.runs if run.summary.get(field)))

    results = comparison.runs[0].results
    data, rules = names_in("data"), names_in("split_rule")
    samples = f"{count_of(results, 'sample')} by {count_of({result.writer for result in results}, 'writer')}"
    parts = (f"{comparison.split} split{data and f' of {data}'}", samples, rules and f"split rule {rules}")
    return ", ".join(filter(None, parts))


def run_cells(comparison: Comparison, index: int) -> dict[str, str]:
    """Name of a column -> what it says of a run."""
    run = comparison.runs[index]
    cer, wer, cer_casefolded = (rate_of(run, name) for name in _RATES)
    return {
        "run": run.name,
        "framework": run.framework,
        "parameters": show_number(run.parameters),
        "split": comparison.split,
        "samples": show_number(len(run.results)),
        "writers": show_number(len({result.writer for result in run.results})),
        "CER (95 % interval)": show_rate(cer, comparison.cer_intervals[index]),
        "WER (95 % interval)": show_rate(wer, comparison.wer_intervals[index]),
        "CER, case ignored": show_rate(cer_casefolded),
        "steps (evaluated)": _show_steps(run),
        "minutes": ABSENT if run.training_seconds is None else f"{run.training_seconds / 60:,.1f}",
        "samples/s": show_number(run.samples_per_second),
        "first step": ABSENT if run.first_step_seconds is None else f"{run.first_step_seconds:,.1f} s",
        "peak memory": show_bytes(run.peak_memory_bytes),
        "commit": run.commit or ABSENT,
    }


def pair_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The columns PAIRS, two rows a pair: CER and WER."""
    rows: list[tuple[str, ...]] = []
    for pair in comparison.pairs:
        names = comparison.runs[pair.a].name, comparison.runs[pair.b].name
        for rate, difference in (("CER", pair.cer), ("WER", pair.wer)):
            numbers = show_difference(difference), show_shares(difference), show_p(difference)
            rows.append((*names, rate, *numbers, tell_verdict(difference, *names)))
    return rows


def write_text_tables(comparison: Comparison) -> str:
    """Aligned columns for a terminal of 120 characters."""
    runs = [run_cells(comparison, index) for index in range(len(comparison.runs))]
    results, costs = ([names, *([run[name] for name in names] for run in runs)] for names in (RESULTS, COSTS))
    pairs = [("A", "B", "", "A less B, points", *PAIRS[4:]), *pair_rows(comparison)]
    remarks = (textwrap.fill(line, _LINE_WIDTH) for line in [*describe_method(comparison), *comparison.notes])
    blocks = [
        describe_subject(comparison),
        align_columns(results, right=range(1, 5), max_width=_LINE_WIDTH),
        align_columns(costs, right=range(2, 7), max_width=_LINE_WIDTH),
        align_columns(pairs, right=(3, 4, 5), max_width=_LINE_WIDTH),
        "\n".join(remarks),
    ]
    return "\n\n".join(blocks) + "\n"


def write_markdown(comparison: Comparison) -> str:
    """The table of runs, the pairs, the notes and what differs in the configuration."""
    runs = [run_cells(comparison, index) for index in range(len(comparison.runs))]
    tables: list[list[Sequence[str]]] = [
        [list(runs[0]), *(list(run.values()) for run in runs)],
        [PAIRS, *pair_rows(comparison)],
    ]
    if comparison.differences:
        head = ["differs", *(run.name for run in comparison.runs)]
        tables.append([head, *([name, *values] for name, values in comparison.differences.items())])
    written = [markdown_table([[*map(escape_markdown, row)] for row in table]) for table in tables]
    remarks = "\n".join(f"- {escape_markdown(line)}" for line in [*describe_method(comparison), *comparison.notes])
    parts = [f"Compared: {describe_subject(comparison)}.", *written[:2], remarks, *written[2:]]
    return "\n\n".join(parts) + "\n"


def write_csv(comparison: Comparison) -> str:
    """One line a run, raw numbers in full precision; what is not known is empty."""
    rows = []
    for run, cer, wer in zip(comparison.runs, comparison.cer_intervals, comparison.wer_intervals, strict=True):
        row = {
            "run": run.name,
            "folder": str(run.folder),
            "framework": run.framework,
            "model": run.summary.get("model"),
            "parameters": run.parameters,
            "data": run.summary.get("data"),
            "split": comparison.split,
            "split_rule": run.summary.get("split_rule"),
            "decoder": run.summary.get("decoder"),
            "samples": run.totals.samples,
            "writers": len({result.writer for result in run.results}),
            "characters": run.totals.characters,
            "edits": run.totals.character_edits,
            "words": run.totals.words,
            "word_edits": run.totals.word_edits,
        }
        for name, interval in (("cer", cer), ("wer", wer)):
            lower, upper = interval or (None, None)
            row |= {name: rate_of(run, name), f"{name}_lower": lower, f"{name}_upper": upper}
        row |= {"cer_casefolded": rate_of(run, "cer_casefolded")} | {name: getattr(run, name) for name in _RAW_COSTS}
        rows.append(row | {"status": run.status.get("status"), "git": run.environment.get("git")})
    written = io.StringIO()
    writer = csv.DictWriter(written, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def rate_of(run: RecordedRun, name: str) -> float | None:
    """ "cer", "wer" or "cer_casefolded" of all samples; None where there is nothing to divide by."""
    rate: float = getattr(run.totals, name)
    return rate if rate == rate else None


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


def _show_steps(run: RecordedRun) -> str:
    """ "2,400", and "2,400 (1,800)" where an earlier step is what was evaluated."""
    earlier = run.evaluated_step not in (None, run.steps)
    return show_number(run.steps) + (f" ({show_number(run.evaluated_step)})" if earlier else "")


def _signed(points: float) -> str:
    text = f"{points:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text
