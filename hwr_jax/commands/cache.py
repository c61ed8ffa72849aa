"""`hwr cache`: what the package keeps in the cache folder, and how to be rid of it."""

import sys
from collections.abc import Sequence

from hwr_jax.cache import CACHE_KINDS, delete_cached, find_cached, is_elsewhere
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import Parser, print_json, run
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of
from hwr_jax.reports.tables import show_bytes

_EPILOG = """examples:
  hwr cache list                   what is kept, where, and how large it is
  hwr cache clean                  delete all but prepared data; what is needed is made again
  hwr cache clean data             delete prepared data too: preparing it again takes its source
"""
# Prepared data can be made again only where their source still is.
_KEPT_UNLESS_NAMED = "data"


def main(argv: Sequence[str]) -> int:
    """Lists or deletes."""
    parser = Parser(
        prog="hwr cache",
        description="Lists what the package keeps in the user's cache folder, or deletes it.",
        epilog=_EPILOG,
    )
    parser.add_argument("action", choices=["list", "clean"], help="what to do")
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"{', '.join(CACHE_KINDS)} (default: all; clean leaves data)"
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    options = parser.parse_args(argv)
    for kind in options.kinds:
        if kind not in CACHE_KINDS:
            raise InputError(f"no kind {kind!r}; the kinds are {', '.join(CACHE_KINDS)}")
    if options.action == "clean":
        _clean(options.kinds or [kind for kind in CACHE_KINDS if kind != _KEPT_UNLESS_NAMED])
    else:
        _list(options.kinds or list(CACHE_KINDS), options.json)
    return 0


def _list(kinds: Sequence[str], as_json: bool) -> None:
    found = [find_cached(kind) for kind in kinds]
    if as_json:
        values = [{"kind": c.kind, "folder": str(c.folder), "files": c.files, "bytes": c.bytes} for c in found]
        print_json(values, indent=2)
        return
    rows = [(c.kind, CACHE_KINDS[c.kind], f"{c.files:,}", show_bytes(c.bytes), str(c.folder)) for c in found]
    print(align_columns([("kind", "what", "files", "size", "folder"), *rows], right=(2, 3), rule=True))


def _clean(kinds: Sequence[str]) -> None:
    for kind in kinds:
        if is_elsewhere(find_cached(kind)):
            print(f"{kind}: left, as you have chosen its folder: {find_cached(kind).folder}")
            continue
        gone = delete_cached(kind)
        print(f"{kind}: {count_of(gone.files, 'file')}, {show_bytes(gone.bytes)} deleted")


if __name__ == "__main__":
    sys.exit(run("cache", main, sys.argv[1:]))
