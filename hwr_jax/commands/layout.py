"""`hwr layout`: where the lines of pages are, written as PAGE XML."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.input_paths import check_written
from hwr_jax.commands.options import LINE_FINDER_HELP, Parser, run
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

if TYPE_CHECKING:
    from hwr_jax.line_finder import LineFinder

_EXAMPLES = """examples:
  hwr layout letters/*.jpg                                    (writes letters/NAME.xml beside each)
  hwr layout --output=layouts/ --overlay=pictures/ scan.png   (and draws the lines)
  hwr read --page --output=read/ letters/*.xml                (reads the lines that were found)
"""


def main(argv: Sequence[str]) -> int:
    """Writes a PAGE file for each page. One that cannot be opened or written gets a line on stderr; status 1 then."""
    options = _parse(argv)
    from hwr_jax.line_finder import load_line_finder

    _name_files(options)
    finder = load_line_finder(options.model)
    failed = [not _find(finder, path, options) for path in options.pages]
    return 1 if any(failed) else 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="hwr layout",
        description="Finds the lines of pages and writes a PAGE XML file for each: regions, lines with outlines and "
        "baselines, and the order in which they are read.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE", help="image of a page: PNG, JPEG, TIFF ...")
    parser.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        help=LINE_FINDER_HELP,
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the files there, not beside the images")
    parser.add_argument("--overlay", type=Path, metavar="DIR", help="draw each page with its lines, to DIR/NAME.jpg")
    parser.add_argument(
        "--overwrite", action="store_true", help="write over XML files, also those that hwr layout did not write"
    )
    options = parser.parse_args(argv)
    options.pages = list(dict.fromkeys(options.pages))
    for name in ("output", "overlay"):
        folder = getattr(options, name)
        if folder is not None and folder.exists() and not folder.is_dir():
            raise InputError(f"--{name}={folder}: is a file; give a folder")
    return options


def _target(path: Path, options: argparse.Namespace) -> Path:
    return (options.output or path.parent) / f"{path.stem}.xml"


def _picture(path: Path, options: argparse.Namespace) -> Path:
    return Path(options.overlay) / f"{path.stem}.jpg"


def _name_files(options: argparse.Namespace) -> None:
    """Raises InputError: two pages would be written to one file, or one over a page."""
    names = [_target, *([_picture] if options.overlay else [])]
    check_written([(path, name(path, options)) for path in options.pages for name in names], options.pages)


def _find(finder: "LineFinder", path: Path, options: argparse.Namespace) -> bool:
    """Whether a page's lines were found and written."""
    from hwr_jax.files import write_bytes
    from hwr_jax.page_layouts import check_target, open_page, write_layout
    from hwr_jax.reports.layout_overlay import draw_layout

    target = _target(path, options)
    try:
        check_target(target, overwrite=options.overwrite)
        page_HxW = open_page(path)
        layout = finder.find(page_HxW)
        write_layout(layout, path, target, f"by {finder.name}")
        if options.overlay:
            write_bytes(_picture(path, options), draw_layout(page_HxW, layout))
    except InputError as error:
        _say(str(error))
        return False
    except OSError as error:
        _say(f"{error.filename or path}: {error.strerror or error}")
        return False
    found = f"{count_of(layout.lines, 'line')} in {count_of(layout.regions, 'region')}" if layout.lines else "no lines"
    turned = f"; turned by {90 * layout.quarter_turns} degrees" if layout.quarter_turns else ""
    print(f"{path}: {found}{turned}, written to {target}", flush=True)
    return True


def _say(message: str) -> None:
    sys.stdout.flush()
    print(f"hwr layout: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run("layout", main, sys.argv[1:]))
