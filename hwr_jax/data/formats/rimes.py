"""RIMES-style lines: images and a text list with a line "PATH TEXT" for each.

Grosicki, El-Abed, "ICDAR 2011: French handwriting recognition competition", ICDAR 2011.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from hwr_jax.data.archives import Tree, decode_text, inside, open_tree
from hwr_jax.data.formats.base import Format, TellTotal, ignore_total
from hwr_jax.data.formats.entries import (
    IMAGE_SUFFIXES,
    WRITER_PATTERN,
    Entry,
    compile_pattern,
    is_image,
    read_entries,
    writer_of,
)
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.split_rules import split_named
from hwr_jax.errors import InputError

# train2011-12-003 is the third line of letter train2011-12; so is train2011-12_003.
_LINE_NUMBER = re.compile(r"[-_]\d+$")


def parse_rimes_lines(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, writer_pattern: str = ""
) -> Iterator[Sample | Skip]:
    """Images named by text lists, one a line: a path relative to the list's folder, white space, the text.

    Ids are the paths without suffix. A path may lack its suffix. RIMES names no writers: the letter, which is the
    image's name up to the line's number, stands for its writer, unless `writer_pattern` finds one in the path. A list
    named as a split (train.txt, training_2011.txt, eval.txt ...) gives it.

    Args:
      source: a list (.txt) beside its images, or a folder or an archive (tar, zip) with lists and images.

    Raises:
      InputError: the source is missing, holds no list, or no line of a list names an image.
    """
    pattern = compile_pattern(writer_pattern, "writer_pattern")
    chosen = ""
    if source.is_file() and source.suffix.lower() == ".txt":
        source, chosen = source.parent, source.name
    with open_tree(source, lambda name: is_image(name) or name.lower().endswith(".txt")) as tree:
        lists = [chosen] if chosen else [name for name in tree.names() if not is_image(name)]
        lines = [(name, number, line) for name in lists for number, line in enumerate(_lines(tree, name), start=1)]
        entries = [_find_image(tree, *line) for line in lines]
        if not any(path for path, _ in entries):
            raise InputError(f"{source}: no list of images in it; expected a .txt file with lines PATH TEXT")
        tell_total(len(lines))
        numbered = zip(lines, entries, strict=True)
        yield from read_entries(
            (_entry(tree, name, number, *found, pattern) for (name, number, _), found in numbered), workers=workers
        )


def _lines(tree: Tree, name: str) -> list[str]:
    text = decode_text(tree.read(name))
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _find_image(tree: Tree, name: str, number: int, line: str) -> tuple[str, str]:
    """The image's name in the tree, "" if there is none, and the text."""
    path, _, text = line.strip().partition("\t") if "\t" in line else line.strip().partition(" ")
    full = inside(str(PurePosixPath(name).parent), path.strip())
    candidates = [full, *(f"{full}{suffix}" for suffix in IMAGE_SUFFIXES)] if full else []
    found = next((name for name in candidates if is_image(name) and tree.content(name) is not None), "")
    return found or (full if full and is_image(full) else ""), text


def _entry(
    tree: Tree, list_name: str, number: int, path: str, text: str, pattern: re.Pattern[str] | None
) -> Entry | Skip:
    if not path:
        return Skip(f"{list_name}, line {number}", "line names no image")
    stem = str(PurePosixPath(path).with_suffix(""))
    writer = writer_of(stem, pattern) or _LINE_NUMBER.sub("", stem)
    parts = re.split(r"[^a-z]+", PurePosixPath(list_name).stem.lower())
    split = next((part for part in parts if split_named(part)), "")
    return Entry(stem, tree.content(path), text, writer, split)


FORMAT = Format(
    "rimes_lines",
    parse_rimes_lines,
    "Line images named by a text list, as those of RIMES.",
    options=(WRITER_PATTERN,),
    unit="line",
)
