"""Lines of historical collections in the layouts in which they are distributed, with the splits that they give.

Bentham: Sánchez, Romero, Toselli, Vidal, "ICFHR2014 competition on handwritten text recognition on tranScriptorium
datasets (HTRtS)", ICFHR 2014. Washington: Fischer, Keller, Frinken, Bunke, "Lexicon-free handwritten word spotting
using character HMMs", Pattern Recognition Letters 33, 2012.
"""

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from hwr_jax.data.archives import Tree, decode_text, open_tree
from hwr_jax.data.formats import entries
from hwr_jax.data.formats.base import INK, Format, Option, TellTotal, ignore_total
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

_GAP = "<gap/>"  # what Bentham's transcribers could not read
_BENTHAM_LISTS = {"train": "TrainLines.lst", "validation": "ValidationLines.lst", "test": "TestLines.lst"}
_BENTHAM_PAGE = re.compile(r"(\d+_\d+_\d+)_.+")  # box, folio and side, then the region and the line

# Washington's names of characters; of the others (s_0, s_2nd, the long s s_s) what follows s_ is the character.
_WASHINGTON_NAMES = {
    "s_pt": ".", "s_cm": ",", "s_mi": "-", "s_qo": ":", "s_sq": ";", "s_qt": "'", "s_et": "V", "s_lb": "£",
    "s_bl": "(", "s_br": ")", "s_GW": "G.W.",
}  # fmt: skip
_WASHINGTON_LISTS = {"train": "train.txt", "validation": "valid.txt", "test": "test.txt"}
_WASHINGTON_IMAGES = "data/line_images_normalized"
_WASHINGTON_PAGE = re.compile(r"(\d+)-.+")


def parse_bentham(source: Path, *, workers: int, tell_total: TellTotal = ignore_total) -> Iterator[Sample | Skip]:
    """The lines of BenthamDatasetR0-GT in the order of its three lists, which give the splits.

    Ids are the lines' names, such as 071_085_001_01_02; the page stands for its writer. Entities of HTML are resolved,
    and marks of a gap are dropped from the text. The source is the folder that holds Images/Lines/, Transcriptions/
    and Partitions/, or one above it, or an archive (tar, zip). Raises InputError: it is missing, or has another layout.
    """
    with open_tree(source, _is_image_or(".txt", ".lst")) as tree:
        names = tree.names()
        root = _find_root(names, f"Partitions/{_BENTHAM_LISTS['train']}", source, "BenthamDatasetR0-GT")
        images = _images_in(names, f"{root}Images/Lines/")
        split_of = _read_lists(tree, f"{root}Partitions/", _BENTHAM_LISTS, names)
        tell_total(len(split_of))
        yield from entries.read_entries(
            (_bentham_entry(tree, root, line, split, images) for line, split in split_of.items()), workers=workers
        )


def _bentham_entry(tree: Tree, root: str, line: str, split: str, images: Mapping[str, str]) -> entries.Entry | Skip:
    name = f"{root}Transcriptions/{line}.txt"
    try:
        text = decode_text(tree.read(name))
    except (OSError, InputError):
        return Skip(line, "transcription: no such file")
    text = " ".join(html.unescape(text.replace(_GAP, " ")).split())
    page = _BENTHAM_PAGE.fullmatch(line)
    image = tree.content(images[line]) if line in images else None
    return entries.Entry(line, image, text, page[1] if page else line, split)


def parse_washington(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, fold: str = "cv1"
) -> Iterator[Sample | Skip]:
    """The lines of washingtondb-v1.0 in the order of its transcription, with the splits of one fold.

    Ids are the lines' names, such as 270-01; the page stands for its writer. A transcription spells characters between
    hyphens, and words between bars. The source is the folder that holds ground_truth/, sets/ and data/, or one above
    it, or an archive (tar, zip). Raises InputError: it is missing, has another layout, or has no such fold.
    """
    with open_tree(source, _is_image_or(".txt")) as tree:
        names = tree.names()
        root = _find_root(names, "ground_truth/transcription.txt", source, "washingtondb-v1.0")
        folds = sorted({name.split("/")[-2] for name in names if name.startswith(f"{root}sets/")})
        if fold not in folds:
            raise InputError(f"--fold={fold}: {source} has the folds {', '.join(folds) or 'none'}")
        images = _images_in(names, f"{root}{_WASHINGTON_IMAGES}/")
        split_of = _read_lists(tree, f"{root}sets/{fold}/", _WASHINGTON_LISTS, names)
        lines = decode_text(tree.read(f"{root}ground_truth/transcription.txt")).splitlines()
        rows = [line.split() for line in lines if line.strip()]
        tell_total(len(rows))
        yield from entries.read_entries(
            (_washington_entry(tree, row, split_of, images) for row in rows), workers=workers
        )


def _washington_entry(
    tree: Tree, row: Sequence[str], split_of: Mapping[str, str], images: Mapping[str, str]
) -> entries.Entry | Skip:
    name = row[0]
    if len(row) != 2:
        return Skip(name, "line cannot be read")
    page = _WASHINGTON_PAGE.fullmatch(name)
    image = tree.content(images[name]) if name in images else None
    return entries.Entry(name, image, spell_washington(row[1]), page[1] if page else name, split_of.get(name, ""))


def spell_washington(transcription: str) -> str:
    """The text of a transcription such as "L-e-t-t-e-r-s-s_cm|O-r-d-e-r-s"."""

    def spell(name: str) -> str:
        return _WASHINGTON_NAMES.get(name, name.removeprefix("s_"))

    return " ".join("".join(map(spell, word.split("-"))) for word in transcription.split("|"))


def _is_image_or(*suffixes: str) -> Callable[[str], bool]:
    return lambda name: entries.is_image(name) or name.lower().endswith(suffixes)


def _find_root(names: Sequence[str], wanted: str, source: Path, what: str) -> str:
    """What stands before `wanted` in the one name that ends with it."""
    found = [name for name in names if f"/{name}".endswith(f"/{wanted}")]
    if len(found) != 1:
        raise InputError(f"{source}: {'several files' if found else 'no file'} {wanted} in it; is this {what}?")
    return found[0].removesuffix(wanted)


def _images_in(names: Sequence[str], folder: str) -> dict[str, str]:
    """Name without suffix -> image of a folder."""
    inside = (name for name in names if name.startswith(folder) and entries.is_image(name))
    return {PurePosixPath(name).stem: name for name in inside}


def _read_lists(tree: Tree, folder: str, lists: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Id -> split, in the lists' order. Raises InputError: a list is missing, or two name one id."""
    split_of: dict[str, str] = {}
    for split, name in lists.items():
        if f"{folder}{name}" not in names:
            raise InputError(f"{folder}{name}: no such list of ids")
        for line in decode_text(tree.read(f"{folder}{name}")).split():
            if split_of.setdefault(line, split) != split:
                raise InputError(f"{folder}{name}: {line} is in the list of {split_of[line]}, too")
    return split_of


FORMATS = (
    Format(
        "bentham",
        parse_bentham,
        "Lines of the Bentham papers as in BenthamDatasetR0-GT.",
        unit="line",
        page_id=_BENTHAM_PAGE,
        from_scans=True,
        language="English",
        medium=INK,
    ),
    Format(
        "washington",
        parse_washington,
        "Lines of George Washington's letter books as in washingtondb-v1.0.",
        options=(Option("fold", "splits of this fold (default cv1)"),),
        unit="line",
        page_id=_WASHINGTON_PAGE,
        from_scans=True,
        language="English",
        medium=INK,
    ),
)
