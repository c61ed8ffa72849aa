"""The page of `hwr data check`: every finding with pictures, histograms, and labels that a model doubts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwr_jax.data.checks.check import RARE_BELOW, Findings
from hwr_jax.data.checks.kinds import MEANING, WRONG_CASE, WRONG_LABEL
from hwr_jax.data.checks.outliers import OddGroup
from hwr_jax.evaluation.label_errors import LabelDoubter, Suspect
from hwr_jax.reports.page import (
    build_head,
    build_page,
    build_reading,
    build_section,
    count_of,
    escape,
    image_uri,
)
from hwr_jax.reports.report_style import STYLE

MOST_LISTED, MOST_SUSPECTS_SHOWN, MOST_BARS, MOST_CHARACTERS = 60, 48, 80, 120

_CHECK_STYLE = (
    STYLE
    + """
.samples figure { background: var(--ground) }
.samples img { height: 68px; object-fit: contain; background: #fff; padding: 2px; image-rendering: auto }
.samples figcaption { background: #fff; grid-template-columns: 1fr; min-height: 62px }
.samples .truth { grid-column: auto; overflow-wrap: anywhere }
.samples .reading { min-height: 1.35em }
.cases { font-size: 13px }
.cases th { text-align: left; font-weight: 400; padding: 2px 12px 2px 0; overflow-wrap: anywhere; width: 34% }
.cases td { padding: 2px 12px 2px 0; color: var(--muted); overflow-wrap: anywhere }
.cases td.label { color: var(--ink); white-space: pre-wrap }
.counts th { text-align: left; font-weight: 400; padding: 3px 12px 3px 0; width: 300px }
.counts th a { color: var(--accent); text-decoration: none }
.counts td { padding: 3px 12px 3px 0 }
.counts td:nth-child(2) { text-align: right; width: 90px; font-weight: 600 }
.counts td:nth-child(3) { color: var(--muted); font-size: 13px }
.bars rect { fill: var(--accent) }
.characters { display: flex; flex-wrap: wrap; gap: 6px; font-size: 13px }
.characters span { background: var(--ground); border-radius: 5px; padding: 2px 8px; white-space: pre }
.characters b { margin-right: 6px }
.characters .rare { background: #fdecea }
details { margin-top: 12px; font-size: 13.5px }
summary { cursor: pointer; color: var(--muted) }
h3 { font-size: 14.5px; margin: 14px 0 8px }
"""
)


def build_check_page(findings: Findings, facts: Mapping[str, Any], doubter: LabelDoubter | None = None) -> str:
    """A self-contained HTML page.

    Args:
      findings: of `hwr_jax.data.checks.check.check_data`.
      facts: for the heading: data, source, alphabet and the like.
      doubter: has read all samples with a model; None: there is no model.
    """
    title = f"Check of {facts.get('data', 'data')}"
    cases = dict(findings.cases)
    sections = [
        build_head(title, dict(facts)),
        build_section("Samples", _splits(findings)),
        build_section("Found", _counts(findings, doubter)),
    ]
    for kind, found in cases.items():
        sections.append(_section(kind, len(found), _cases(kind, found, findings)))
    for kind, count, suspects in count_suspects(doubter):
        if count:
            sections.append(_section(kind, count, _suspects(suspects)))
    for what, groups in findings.odd.items():
        if groups:
            note = "labels that surprise a character model of all others' labels"
            sections.append(build_section(f"Odd {what}", _odd(groups), note))
    sections += [
        build_section("Label lengths", _lengths(findings.lengths), "characters a label, all splits"),
        build_section("Characters", _characters(findings), f"in training; red: fewer than {RARE_BELOW} times"),
    ]
    return build_page(title, _CHECK_STYLE, sections)


def count_suspects(doubter: LabelDoubter | None) -> list[tuple[str, int, list[Suspect]]]:
    """(kind, number, the most doubtful) of either kind; nothing without a model."""
    if doubter is None:
        return []
    return [(WRONG_LABEL, doubter.wrong_labels, doubter.labels), (WRONG_CASE, doubter.wrong_cases, doubter.cases)]


def _section(kind: str, count: int, body: str) -> str:
    section = build_section(f"{kind[0].upper()}{kind[1:]}: {count:,}", body, MEANING[kind])
    return section.replace("<section>", f'<section id="{_anchor(kind)}">', 1)


def _anchor(kind: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in kind)


def _splits(findings: Findings) -> str:
    rows = "".join(
        f"<tr><th>{split}</th><td>{count:,}</td><td>{findings.writers[split]:,}</td>"
        f"<td>{len(findings.left_out[split]):,}</td></tr>"
        for split, count in findings.kept.items()
    )
    head = "<tr><th>split</th><th>samples</th><th>writers</th><th>left out</th></tr>"
    reading = len(findings.left_out["reading"])
    note = f"<p class=note>Left out when read, in no split: {reading:,}.</p>"
    reasons = "".join(
        f"<tr><th>{escape(id)}</th><td>{escape(part)}</td><td>{escape(reason)}</td></tr>"
        for part, left_out in findings.left_out.items()
        for id, reason in list(left_out.items())[:MOST_LISTED]
    )
    listed = f"<details><summary>which and why</summary><table class=cases>{reasons}</table></details>" * bool(reasons)
    return f"<table class=results>{head}{rows}</table>{note}{listed}"


def _counts(findings: Findings, doubter: LabelDoubter | None) -> str:
    counts = {kind: len(found) for kind, found in findings.cases.items()}
    counts |= {kind: count for kind, count, _ in count_suspects(doubter)}
    rows = []
    for kind, meaning in MEANING.items():
        if kind in (WRONG_LABEL, WRONG_CASE) and doubter is None:
            rows.append(f"<tr><th>{escape(kind)}</th><td>-</td><td>needs a model: --model=NAME</td></tr>")
            continue
        count = counts.get(kind, 0)
        name = f'<a href="#{_anchor(kind)}">{escape(kind)}</a>' if count else escape(kind)
        rows.append(f"<tr><th>{name}</th><td>{count:,}</td><td>{escape(meaning)}</td></tr>")
    return f"<table class=counts>{''.join(rows)}</table>"


def _cases(kind: str, found: Mapping[str, str], findings: Findings) -> str:
    pictures = {id: picture for id, picture in findings.thumbnails.of(kind).items() if id in found}
    figures = [_figure(pictures[id], id, findings.texts.get(id, ""), escape(found[id])) for id in pictures]
    rest = [id for id in found if id not in pictures]
    rows = "".join(
        f"<tr><th>{escape(id)}</th><td class=label>{escape(findings.texts.get(id, ''))}</td>"
        f"<td>{escape(found[id])}</td></tr>"
        for id in rest[:MOST_LISTED]
    )
    shown = f"<div class=samples>{''.join(figures)}</div>" if figures else ""
    if not rows:
        return shown
    more = len(rest) - MOST_LISTED
    note = f"<p class=note>{more:,} more are in the JSON.</p>" if more > 0 else ""
    table = f"<table class=cases>{rows}</table>{note}"
    return f"{shown}<details><summary>{count_of(rest, 'other')}</summary>{table}</details>" if shown else table


def _suspects(suspects: Sequence[Suspect]) -> str:
    figures = [
        _figure(
            suspect.image_HxW,
            suspect.id,
            suspect.text,
            f"<span class=reading>{build_reading(suspect.text, suspect.reading)}</span>",
        )
        for suspect in suspects[:MOST_SUSPECTS_SHOWN]
    ]
    return f"<div class=samples>{''.join(figures)}</div>"


def _figure(picture_HxW: np.ndarray, id: str, text: str, told: str) -> str:
    """`told` is HTML."""
    return (
        f'<figure title="{escape(id)}"><img src="{image_uri(picture_HxW)}" alt="{escape(text)}">'
        f"<figcaption><span>{escape(text) or '&nbsp;'}</span><span class=truth>{told}</span></figcaption></figure>"
    )


def _odd(groups: Sequence[OddGroup]) -> str:
    rows = "".join(
        f"<tr><th>{escape(group.name)}</th><td>{group.labels:,}</td><td>{group.bits:.2f}</td>"
        f"<td>{group.score:.1f}</td><td class=text>{escape('  '.join(group.words))}</td></tr>"
        for group in groups[:MOST_LISTED]
    )
    head = (
        "<tr><th></th><th>labels</th><th>bits a character</th><th>deviations</th>"
        "<th class=text>most surprising words</th></tr>"
    )
    note = f"<p class=note>Usual is {groups[0].usual_bits:.2f} bits a character.</p>"
    return f"<div class=wide><table class=results>{head}{rows}</table></div>{note}"


def _lengths(lengths: Mapping[int, int]) -> str:
    step = max(1, -(-(max(lengths) + 1) // MOST_BARS))
    bars = [0] * (max(lengths) // step + 1)
    for length, count in lengths.items():
        bars[length // step] += count
    width = min(940 / len(bars), 44)
    drawn = []
    for place, count in enumerate(bars):
        height = 110 * count / max(bars)
        span = f"{place * step}" if step == 1 else f"{place * step} to {place * step + step - 1}"
        drawn.append(
            f'<rect x="{place * width:.1f}" y="{114 - height:.1f}" width="{width * 0.86:.1f}" height="{height:.1f}">'
            f"<title>{span} characters: {count:,} labels</title></rect>"
        )
        if place % max(1, len(bars) // 16) == 0:
            middle = place * width + width * 0.43
            drawn.append(f'<text x="{middle:.1f}" y="128" text-anchor="middle">{place * step}</text>')
    return f'<svg class="bars" viewBox="0 0 940 134" role="img" aria-label="label lengths">{"".join(drawn)}</svg>'


def _characters(findings: Findings) -> str:
    never = [character for character, count in findings.rare.items() if not count]
    shown = dict(list(findings.characters.items())[:MOST_CHARACTERS]) | findings.rare
    spans = "".join(
        f"<span{' class=rare' * (character in findings.rare)}><b>{escape(_visible(character))}</b>{count:,}</span>"
        for character, count in shown.items()
    )
    note = f"<p class=note>{count_of(never, 'character')} never seen in training.</p>" if never else ""
    return f"<div class=characters>{spans}</div>{note}"


def _visible(character: str) -> str:
    if character == " ":
        return "space"
    return character if character.isprintable() else f"U+{ord(character):04X}"
