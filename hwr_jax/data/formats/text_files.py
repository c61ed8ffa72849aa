"""Images beside text files.

Pairs of one name (x.png and x.gt.txt), as kraken, PyLaia and OCR4all keep them, or a list with a line "PATH TEXT" for
each, as RIMES has (Grosicki, El-Abed, "ICDAR 2011: French handwriting recognition competition", ICDAR 2011).
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from hwr_jax.data.archives import Tree, decode_text, inside, open_tree
from hwr_jax.data.formats import entries
from hwr_jax.data.formats.base import INK, Format, TellTotal, ignore_total
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_named
from hwr_jax.errors import InputError

TEXT_SUFFIXES = (".gt.txt", ".txt")
# What tools put between the name and the suffix of an image that they derived: x.bin.png, x.nrm.png.
_DERIVED = (".bin", ".nrm", ".dew")


def parse_pairs(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, writer_pattern: str = ""
) -> Iterator[Sample | Skip]:
    """Images with a text file beside them (x.gt.txt, else x.txt; or x.png.gt.txt), of any depth of folders, in order.

    Ids are the text files' paths without suffix. The writer is what `writer_pattern` finds in that path; without one
    it is the image's folder where there are several, else every image is a writer of its own. The source is a folder or
    an archive (tar, zip). Raises InputError: it is missing, or holds no pair.
    """
    pattern = entries.compile_pattern(writer_pattern, "writer_pattern")
    with open_tree(source, lambda name: entries.is_image(name) or name.lower().endswith(".txt")) as tree:
        names = tree.names()
        images = _images_by_stem(names)
        # Those of .gt.txt files last: they replace those of a .txt file of the same stem.
        by_suffix = sorted(names, key=lambda name: name.lower().endswith(".gt.txt"))
        texts = {_stem(name): name for name in by_suffix if not entries.is_image(name)}
        for image in texts.keys() & set(filter(entries.is_image, names)):  # x.png.gt.txt names its image in full
            images = {stem: name for stem, name in images.items() if name != image} | {image: image}
        texts = {stem: texts[stem] for stem in sorted(texts) if stem in images or texts[stem].endswith(".gt.txt")}
        if not texts.keys() & images.keys():
            raise InputError(f"{source}: no pairs in it; expected images with texts beside them (x.png and x.gt.txt)")
        tell_total(len(texts.keys() | images.keys()))
        yield from (Skip(stem, "image without text") for stem in sorted(images.keys() - texts.keys()))
        folders = len({PurePosixPath(stem).parent for stem in texts}) > 1
        yield from entries.read_entries(
            (_entry(tree, stem, texts[stem], images.get(stem), pattern, folders) for stem in texts), workers=workers
        )


def _entry(
    tree: Tree, stem: str, text_name: str, image_name: str | None, pattern: re.Pattern[str] | None, folders: bool
) -> entries.Entry | Skip:
    writer = entries.writer_of(stem, pattern) or (str(PurePosixPath(stem).parent) if folders else "")
    try:
        text = decode_text(tree.read(text_name), "utf-8")
    except UnicodeDecodeError:
        return Skip(stem, "text file is not UTF-8")
    except OSError:
        return Skip(stem, "text file cannot be read")
    return entries.Entry(stem, tree.content(image_name) if image_name else None, text, writer)


def _images_by_stem(names: list[str]) -> dict[str, str]:
    """Name without suffix -> image; an original is preferred to what was derived from it."""
    images: dict[str, str] = {}
    for name in names:
        if not entries.is_image(name):
            continue
        stem = str(PurePosixPath(name).with_suffix(""))
        derived = next((suffix for suffix in _DERIVED if stem.endswith(suffix)), "")
        if not derived:
            images[stem] = name
        else:
            images.setdefault(stem.removesuffix(derived), name)
    return images


def _stem(name: str) -> str:
    suffix = next((suffix for suffix in TEXT_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


PAIRS = Format("pairs", parse_pairs, "Images with a text file beside each.", options=(entries.WRITER_PATTERN,))


# train2011-12-003 is the third line of letter train2011-12; so is train2011-12_003.
_LINE_NUMBER = re.compile(r"[-_]\d+$")


def parse_rimes_lines(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, writer_pattern: str = ""
) -> Iterator[Sample | Skip]:
    """Images named by text lists, one a line: a path relative to the list's folder, white space, the text.

    Ids are the paths without suffix. A path may lack its suffix. RIMES names no writers: the letter, which is the
    image's name up to the line's number, stands for its writer, unless `writer_pattern` finds one in the path. A list
    named as a split (train.txt, training_2011.txt, eval.txt ...) gives it. The source is a list (.txt) beside its
    images, or a folder or an archive (tar, zip) with lists and images. Raises InputError: it is missing, holds no list,
    or no line of a list names an image.
    """
    pattern = entries.compile_pattern(writer_pattern, "writer_pattern")
    chosen = ""
    if source.is_file() and source.suffix.lower() == ".txt":
        source, chosen = source.parent, source.name
    with open_tree(source, lambda name: entries.is_image(name) or name.lower().endswith(".txt")) as tree:
        lists = [chosen] if chosen else [name for name in tree.names() if not entries.is_image(name)]
        lines = [(name, number, line) for name in lists for number, line in enumerate(_lines(tree, name), start=1)]
        found = [_find_image(tree, *line) for line in lines]
        if not any(path for path, _ in found):
            raise InputError(f"{source}: no list of images in it; expected a .txt file with lines PATH TEXT")
        tell_total(len(lines))
        each = zip(lines, found, strict=True)
        listed = (_list_entry(tree, name, number, *image, pattern) for (name, number, _), image in each)
        yield from entries.read_entries(listed, workers=workers)


def _lines(tree: Tree, name: str) -> list[str]:
    text = decode_text(tree.read(name))
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _find_image(tree: Tree, name: str, number: int, line: str) -> tuple[str, str]:
    """The image's name in the tree, "" if there is none, and the text."""
    path, _, text = line.strip().partition("\t") if "\t" in line else line.strip().partition(" ")
    full = inside(str(PurePosixPath(name).parent), path.strip())
    candidates = [full, *(f"{full}{suffix}" for suffix in entries.IMAGE_SUFFIXES)] if full else []
    found = next((name for name in candidates if entries.is_image(name) and tree.content(name) is not None), "")
    return found or (full if full and entries.is_image(full) else ""), text


def _list_entry(
    tree: Tree, list_name: str, number: int, path: str, text: str, pattern: re.Pattern[str] | None
) -> entries.Entry | Skip:
    if not path:
        return Skip(f"{list_name}, line {number}", "line names no image")
    stem = str(PurePosixPath(path).with_suffix(""))
    writer = entries.writer_of(stem, pattern) or _LINE_NUMBER.sub("", stem)
    parts = re.split(r"[^a-z]+", PurePosixPath(list_name).stem.lower())
    split = next((part for part in parts if split_named(part)), "")
    return entries.Entry(stem, tree.content(path), text, writer, split)


RIMES = Format(
    "rimes_lines",
    parse_rimes_lines,
    "Line images named by a text list, as those of RIMES.",
    options=(entries.WRITER_PATTERN,),
    unit="line",
    language="French",
    medium=INK,
)
