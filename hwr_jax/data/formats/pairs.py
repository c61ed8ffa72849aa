"""Pairs of an image and a text file of the same name: x.png and x.gt.txt, as kraken, PyLaia and OCR4all keep them."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from hwr_jax.data.archives import Tree, open_tree
from hwr_jax.data.formats.base import Format, TellTotal, ignore_total
from hwr_jax.data.formats.entries import WRITER_PATTERN, Entry, compile_pattern, is_image, read_entries, writer_of
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

TEXT_SUFFIXES = (".gt.txt", ".txt")
# What tools put between the name and the suffix of an image that they derived: x.bin.png, x.nrm.png.
_DERIVED = (".bin", ".nrm", ".dew")


def parse_pairs(
    source: Path, *, workers: int, tell_total: TellTotal = ignore_total, writer_pattern: str = ""
) -> Iterator[Sample | Skip]:
    """Images with a text file beside them (x.gt.txt, else x.txt), of any depth of folders, in the order of their names.

    Ids are the images' paths without suffix. The writer is what `writer_pattern` finds in that path; without one it is
    the image's folder where there are several, else every image is a writer of its own.

    Args:
      source: a folder or an archive (tar, zip).

    Raises:
      InputError: the source is missing, or holds no pair.
    """
    pattern = compile_pattern(writer_pattern, "writer_pattern")
    with open_tree(source, lambda name: is_image(name) or name.lower().endswith(".txt")) as tree:
        names = tree.names()
        images = _images_by_stem(names)
        # Those of .gt.txt files last: they replace those of a .txt file of the same stem.
        by_suffix = sorted(names, key=lambda name: name.lower().endswith(".gt.txt"))
        texts = {_stem(name): name for name in by_suffix if not is_image(name)}
        texts = {stem: texts[stem] for stem in sorted(texts) if stem in images or texts[stem].endswith(".gt.txt")}
        if not texts.keys() & images.keys():
            raise InputError(f"{source}: no pairs in it; expected images with texts beside them (x.png and x.gt.txt)")
        tell_total(len(texts.keys() | images.keys()))
        yield from (Skip(stem, "image without text") for stem in sorted(images.keys() - texts.keys()))
        folders = len({PurePosixPath(stem).parent for stem in texts}) > 1
        yield from read_entries(
            (_entry(tree, stem, texts[stem], images.get(stem), pattern, folders) for stem in texts), workers=workers
        )


def _entry(
    tree: Tree, stem: str, text_name: str, image_name: str | None, pattern: re.Pattern[str] | None, folders: bool
) -> Entry | Skip:
    writer = writer_of(stem, pattern) or (str(PurePosixPath(stem).parent) if folders else "")
    try:
        text = tree.read(text_name).decode("utf-8-sig")
    except UnicodeDecodeError:
        return Skip(stem, "text file is not UTF-8")
    except OSError:
        return Skip(stem, "text file cannot be read")
    return Entry(stem, tree.content(image_name) if image_name else None, text, writer)


def _images_by_stem(names: list[str]) -> dict[str, str]:
    """Name without suffix -> image; an original is preferred to what was derived from it."""
    images: dict[str, str] = {}
    for name in names:
        if not is_image(name):
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


FORMAT = Format("pairs", parse_pairs, "Images with a text file beside each.", options=(WRITER_PATTERN,))
