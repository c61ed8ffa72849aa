"""The look of report.html."""

STYLE = """
:root { --ink: #1c2430; --muted: #6b7684; --rule: #e3e7ec; --wrong: #c8102e; --accent: #2563a8; --ground: #f6f7f9 }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 60px }
h1 { font-size: 26px; margin: 0 0 8px; letter-spacing: -.01em }
h2 { font-size: 17px; margin: 0 0 14px }
h2 small { font-weight: 400; color: var(--muted); font-size: 13px; margin-left: 6px }
header { padding: 4px 4px 14px }
header dl { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 0; font-size: 13px }
header dt { color: var(--muted) }
header dt::after { content: " " }
header dt, header dd { display: inline; margin: 0; overflow-wrap: anywhere }
section { background: #fff; border: 1px solid var(--rule); border-radius: 10px; padding: 18px 20px; margin: 0 0 16px }
.note, .none { color: var(--muted); font-size: 13px; margin: 10px 0 0 }
.none { margin: 0 }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
.results th, .results td { text-align: right; padding: 7px 10px; border-bottom: 1px solid var(--rule);
  white-space: nowrap; vertical-align: top }
.results tr:first-child th { color: var(--muted); font-weight: 500; font-size: 13px }
.results th:first-child, .results .text { text-align: left }
.results td small { display: block; color: var(--muted); font-size: 12px }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(380px, 100%), 1fr)); gap: 24px }
.charts figure { margin: 0 }
.charts figcaption { font-size: 13px; color: var(--muted); margin-bottom: 4px }
svg { width: 100%; height: auto; display: block }
svg text { font-size: 10.5px; fill: var(--muted); font-variant-numeric: tabular-nums }
svg .grid { stroke: var(--rule); stroke-width: 1 }
svg polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round }
.legend { font-size: 12.5px; color: var(--muted); margin: 4px 0 0 52px }
.legend span { margin-right: 16px }
.legend i { display: inline-block; width: 16px; height: 3px; border-radius: 2px; margin-right: 6px;
  vertical-align: middle }
.confusions { list-style: none; margin: 0; padding: 0; columns: 3 280px; column-gap: 32px; font-size: 14px }
.confusions li { display: grid; grid-template-columns: 52px 52px 52px 1fr 44px; align-items: center; gap: 4px;
  break-inside: avoid; padding: 2px 0; position: relative }
.confusions b { text-align: center; background: var(--ground); border-radius: 5px; font-weight: 600; white-space: pre }
.confusions b i { font-weight: 400; font-size: 11.5px; color: var(--muted) }
.confusions .arrow, .confusions .share { color: var(--muted); font-size: 12px; text-align: center }
.confusions .bar { height: 7px; background: var(--ground); border-radius: 4px; overflow: hidden; margin-left: 8px }
.confusions .bar i { display: block; height: 100%; background: var(--accent) }
.confusions .count { text-align: right; font-variant-numeric: tabular-nums }
.confusions .share { display: none }
.confusions li:hover .share { display: block; position: absolute; right: 50px; background: #fff; padding: 0 8px;
  border: 1px solid var(--rule); border-radius: 5px }
.writers rect { fill: var(--accent) }
.writers rect:hover { fill: #d9730d }
.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(228px, 1fr)); gap: 14px }
.samples figure { margin: 0; border: 1px solid var(--rule); border-radius: 8px; overflow: hidden }
.samples .wrong { border-color: #ecb9c1 }
.samples img { display: block; width: 100%; aspect-ratio: auto; border-bottom: 1px solid var(--rule) }
.samples figcaption { display: grid; grid-template-columns: 1fr auto; padding: 5px 10px 7px; line-height: 1.35;
  font-size: 14.5px }
.samples .truth { grid-column: 1 / 3; color: var(--muted); font-size: 12.5px; overflow-wrap: anywhere;
  white-space: pre-wrap }
.samples .reading { overflow-wrap: anywhere; white-space: pre-wrap }
.samples em { font-style: normal; color: var(--wrong); font-weight: 600 }
.samples del { display: inline-block; width: 8px; height: 3px; background: var(--wrong); margin: 0 1px;
  border-radius: 1px; vertical-align: -3px }
.samples .confidence { color: var(--muted); font-size: 12px; align-self: end }
.settings { font-size: 13px; margin-bottom: 14px }
.settings th { text-align: left; font-weight: 400; color: var(--muted); width: 34%; padding: 2px 8px 2px 0;
  vertical-align: top }
.settings td { padding: 2px 0; overflow-wrap: anywhere; font-size: 12.5px;
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace }
"""
