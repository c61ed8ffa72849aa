"""The page of `hwr data check`: every finding with images, histograms, and labels that a model doubts."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from hwr_jax.data.checks.check import RARE_BELOW, Findings
from hwr_jax.data.checks.kinds import MEANING, WRONG_CASE, WRONG_LABEL
from hwr_jax.evaluation.label_errors import LabelDoubter, Suspect
from hwr_jax.messages import count_of
from hwr_jax.reports.chart import bar_chart
from hwr_jax.reports.page import render

MOST_LISTED, MOST_SUSPECTS_SHOWN, MOST_BARS, MOST_CHARACTERS = 60, 48, 80, 120


def build_check_page(findings: Findings, facts: Mapping[str, Any], doubter: LabelDoubter | None = None) -> str:
    """A self-contained HTML page: `facts` for its heading, the findings, and what a model doubts that has read all."""
    doubted = count_suspects(doubter)
    counts = {kind: len(found) for kind, found in findings.cases.items()}
    counts |= {kind: count for kind, count, _ in doubted}
    not_asked = () if doubter else (WRONG_LABEL, WRONG_CASE)
    unknown = () if doubter and not doubter.is_lost else (WRONG_LABEL, WRONG_CASE)
    left_out = [
        (id, part, reason)
        for part, found in findings.left_out.items()
        for id, reason in list(found.items())[:MOST_LISTED]
    ]
    return render(
        "check.html",
        title=f"Check of {facts.get('data', 'data')}",
        facts={name.replace("_", " "): value for name, value in facts.items()},
        findings=findings,
        left_out=left_out,
        counts=[(kind, counts[kind], meaning) for kind, meaning in MEANING.items() if counts.get(kind)],
        absent=[(kind, why) for kind, why in MEANING.items() if not counts.get(kind) and kind not in unknown],
        not_asked=not_asked,
        cases={kind: _case(kind, found, findings) for kind, found in findings.cases.items()},
        doubted=[(kind, count, found[:MOST_SUSPECTS_SHOWN]) for kind, count, found in doubted if count],
        outliers={what: groups[:MOST_LISTED] for what, groups in findings.odd.items() if groups},
        lengths=_lengths(findings.lengths),
        characters=(dict(list(findings.characters.items())[:MOST_CHARACTERS]) | findings.rare).items(),
        never=[character for character, count in findings.rare.items() if not count],
        rare_below=RARE_BELOW,
        meanings=MEANING,
        lost=describe_lost(doubter),
        heading=lambda kind, count: f"{kind[0].upper()}{kind[1:]}: {count:,}",
        anchor=lambda kind: "".join(character if character.isalnum() else "-" for character in kind),
        name_of=_name_of,
    )


def count_suspects(doubter: LabelDoubter | None) -> list[tuple[str, int, list[Suspect]]]:
    """(kind, number, the most doubtful) of either kind; nothing without a model, or by one that cannot read the set."""
    if doubter is None or doubter.is_lost:
        return []
    return [(WRONG_LABEL, doubter.wrong_labels, doubter.labels), (WRONG_CASE, doubter.wrong_cases, doubter.cases)]


def describe_lost(doubter: LabelDoubter | None) -> str:
    """That a model cannot read the set, so that its doubts mean nothing, and what to do; "" where it can."""
    if doubter is None or not doubter.is_lost:
        return ""
    return (
        f"The model cannot read this set: its CER is {100 * doubter.edits.cer:.1f} %, and it would doubt "
        f"{doubter.wrong_labels:,} of {count_of(doubter.edits.samples, 'label')}. So its doubts mean nothing, and none "
        "are listed. Check with a run trained on the set (--model=WORKDIR); if that cannot read it either, the labels "
        "may be those of other images (hwr data show)."
    )


def _case(kind: str, found: Mapping[str, str], findings: Findings) -> dict[str, Any]:
    """The cases of a kind: first those with an image, then some of the others; each with its label and detail."""
    images = {id: image for id, image in findings.thumbnails.of(kind).items() if id in found}
    rest = [id for id in found if id not in images]
    return {
        "count": len(found),
        "pictures": [(id, findings.texts.get(id, ""), found[id], image) for id, image in images.items()],
        "others": len(rest),
        "rest": [(id, findings.texts.get(id, ""), found[id]) for id in rest[:MOST_LISTED]],
    }


def _lengths(lengths: Mapping[int, int]) -> Markup:
    step = max(1, -(-(max(lengths) + 1) // MOST_BARS))
    counts = [0] * (max(lengths) // step + 1)
    for length, count in lengths.items():
        counts[length // step] += count
    starts: Sequence[int] = range(0, len(counts) * step, step)
    spans = [f"{start}" if step == 1 else f"{start} to {start + step - 1}" for start in starts]
    bars = [(float(count), f"{span} characters: {count:,} labels") for count, span in zip(counts, spans, strict=True)]
    return bar_chart(bars, "label lengths", [str(start) for start in starts])


def _name_of(character: str) -> str:
    if character == " ":
        return "space"
    return character if character.isprintable() else f"U+{ord(character):04X}"
