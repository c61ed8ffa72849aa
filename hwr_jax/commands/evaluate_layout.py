"""`hwr evaluate-layout`: how well the lines of pages are found."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.options import LINE_FINDER_HELP, Parser, json_path, print_json, run
from hwr_jax.errors import InputError

_EXAMPLES = """examples:
  hwr evaluate-layout --source=pages.tar
  hwr evaluate-layout --source=pages/ --model=runs/page_lines --output=layout.json
"""


def main(argv: Sequence[str]) -> int:
    """Finds the lines of all pages of a source, compares them with those of its files, and prints a table."""
    parser = Parser(
        prog="hwr evaluate-layout",
        description="Finds the lines of pages and compares them with those that ALTO or PAGE files give: precision, "
        "recall and F1 of lines whose outlines agree (IoU of 0.5 or more), and of baselines by the scheme of cBAD. "
        "All rates are in percent, with 95 % intervals over pages.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "--source",
        type=Path,
        required=True,
        metavar="PATH",
        help="a folder or an archive of page images with XML files",
    )
    parser.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        help=LINE_FINDER_HELP,
    )
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")
    parser.add_argument(
        "--output", type=json_path, metavar="FILE.json", help="write them there, and those of each page"
    )
    options = parser.parse_args(argv)

    from hwr_jax.columns import align_columns
    from hwr_jax.data.sample import Skip
    from hwr_jax.evaluation.layout_rates import ScoredPage, layout_rows, summarize_layout
    from hwr_jax.line_finder import load_line_finder
    from hwr_jax.page_layouts import score_layouts
    from hwr_jax.training.workdir import write_json

    pages: list[ScoredPage] = []
    finder = load_line_finder(options.model)
    skips: list[Skip] = []
    for page in score_layouts(options.source, finder.find):
        if isinstance(page, Skip):
            skips.append(page)
        else:
            pages.append(page)
    for skip in skips:
        print(f"hwr evaluate-layout: {skip.id}: left out: {skip.reason}", file=sys.stderr)
    if not pages:
        raise InputError(f"{options.source}: no page with lines and an image")
    summary = summarize_layout(pages) | {"model": finder.name, "skipped": {skip.id: skip.reason for skip in skips}}
    if options.output:
        write_json(options.output, summary)
    if options.json:
        print_json(summary, indent=2)
        return 0
    rates = summary["rates"]["all"]
    print(align_columns(layout_rows(summary), right=range(1, 10), rule=True))
    print(f"{rates['ignored']:,} found where the files say nothing of the writing: not counted")
    print(f"{rates['seconds_per_page']:.2f} CPU seconds a page")
    return 0


if __name__ == "__main__":
    sys.exit(run("evaluate-layout", main, sys.argv[1:]))
