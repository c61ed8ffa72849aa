"""The look of a page that compares runs: that of report.html, and a little more."""

from hwr_jax.reports.report_style import STYLE

# Told apart in grey print and by most eyes that see colours otherwise (after Okabe and Ito 2008).
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7f6000", "#56b4e9", "#b00020", "#5e4fa2")

COMPARISON_STYLE = (
    STYLE
    + """
main { max-width: 1180px }
header dl { font-size: 15px }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 7px; flex: none }
.results th .dot { margin-bottom: -1px }
.results th small { display: block; color: var(--muted); font-size: 12px; font-weight: 400; margin-left: 17px }
.results th:first-child { font-weight: 600; white-space: normal; overflow-wrap: anywhere; min-width: 190px }
.results tr:first-child th { font-weight: 500; vertical-align: bottom; white-space: normal }
.results tr:last-child td, .results tr:last-child th, .pairs tr:nth-last-child(2) th { border-bottom: 0 }
.pairs th, .pairs td { vertical-align: middle; white-space: normal }
.pairs th p { margin: 2px 0; padding-left: 17px; text-indent: -17px }
.pairs .number { white-space: nowrap }
.pairs .same td { border-bottom: 0 }
.pairs svg { width: 190px; height: 26px; margin-left: auto }
.pairs svg line.zero { stroke: #aeb7c2; stroke-width: 1; stroke-dasharray: 2 2 }
.pairs svg .noise { stroke: #8a95a3; fill: #8a95a3 }
.pairs svg .clear { stroke: var(--accent); fill: var(--accent) }
.pairs svg line { stroke-width: 2.5; stroke-linecap: round }
.pairs th.axis { min-width: 210px; text-align: center }
.pairs th.axis span { display: flex; justify-content: space-between; font-size: 12px; width: 190px; margin-left: auto }
.pairs .text { min-width: 46px }
.pairs td:has(.verdict) { min-width: 190px }
.verdict { display: inline-block; padding: 2px 9px; border-radius: 11px; font-size: 13px; background: var(--ground);
  color: var(--muted); text-align: left; overflow-wrap: anywhere }
.verdict.clear { background: #e3eefa; color: #15457a; font-weight: 600 }
ul.notes { margin: 14px 0 0; padding-left: 18px; color: var(--muted); font-size: 13px }
ul.notes li { margin: 2px 0 }
ul.notes li.warning { color: #8a4b00 }
.group { margin: 22px 0 10px; font-size: 14.5px; font-weight: 600 }
.group small { font-weight: 400; color: var(--muted); font-size: 13px; margin-left: 6px }
.group:first-child, .note + .group { margin-top: 0 }
.samples .truth { font-size: 13.5px; margin-bottom: 3px }
.samples .reading { display: flex; align-items: baseline }
.samples .reading .dot { width: 8px; height: 8px }
.samples figure .words { overflow-wrap: anywhere; white-space: pre-wrap; min-width: 0 }
.differences { font-size: 13px }
.differences th, .differences td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; overflow-wrap: anywhere }
.differences th { font-weight: 400; color: var(--muted); min-width: 230px }
.differences tr:first-child th { color: var(--ink); font-weight: 600 }
.differences td { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 12.5px }
.differences tr:last-child td, .differences tr:last-child th { border-bottom: 0 }
"""
)


def color_of(run: int) -> str:
    """CSS colour of the run of that place; after the first eight they are spread around the wheel."""
    return COLORS[run] if run < len(COLORS) else f"hsl({run * 137.5 % 360:.0f} 65% 40%)"
