"""Flags of the readers of raw data: which columns, which lines, whose hand."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwr_jax.data.names import Options

_TEXT_FLAGS = {
    "image_column": ("NAME", "column of images (manifest, hugging_face)"),
    "text_column": ("NAME", "column of texts"),
    "writer_column": ("NAME", "column of writers"),
    "split_column": ("NAME", "column of splits; --config.data.split=given trains by them"),
    "id_column": ("NAME", "column of ids"),
    "delimiter": ("CHARACTER", "of a CSV manifest (default: what parts its header line)"),
    "manifest": ("NAME", "which table of the source, where there are several"),
    "line_types": ("A,B", "keep lines of these types only (alto_lines, page_lines)"),
    "skip_text": ("REGEX", "leave out lines whose text it matches (alto_lines, page_lines)"),
    "writer_pattern": ("REGEX", "its first group, found in the path of an image or page, is the writer"),
}


def add_reader_flags(parser: argparse.ArgumentParser) -> None:
    """Adds them in a group of their own; `hwr_jax.data.names` says which reader takes which."""
    group = parser.add_argument_group("of some formats")
    for name, (metavar, what) in _TEXT_FLAGS.items():
        group.add_argument(f"--{name}", metavar=metavar, help=what)
    group.add_argument(
        "--keep_err", action="store_const", const=True, help="keep what is marked err (iam_lines, iam_sentences)"
    )
    group.add_argument(
        "--no_joined",
        dest="joined",
        action="store_const",
        const=False,
        help="only lines that were written as lines (unipen_lines)",
    )
    group.add_argument(
        "--cut_lines",
        action="store_const",
        const=True,
        help="words cut out of lines too, to train on (unipen_words)",
    )


def reader_options(args: argparse.Namespace) -> "Options":
    """The options that were given."""
    names = (*_TEXT_FLAGS, "keep_err", "joined", "cut_lines")
    return {name: getattr(args, name) for name in names if getattr(args, name, None) is not None}
