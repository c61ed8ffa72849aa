"""Lines of RIMES as the competition of 2011 gave them: images of blocks, and an XML file with the lines' boxes.

Grosicki, El-Abed, "ICDAR 2011: French handwriting recognition competition", ICDAR 2011. A file holds
DocumentList/SinglePage[FileName]/Paragraph/Line[Value, Left, Top, Right, Bottom].
"""

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from hwr_jax.data.archives import Tree, inside, open_tree
from hwr_jax.data.formats import entries
from hwr_jax.data.formats.base import INK, Format, TellTotal, ignore_total
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.safe_xml import parse_xml
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_named
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.strokes import encode_png

_EDGES = ("Left", "Top", "Right", "Bottom")
# The competition has no validation split: a tenth of the training letters is one, by their names alone.
_VALIDATION_SHARE = 0.1
_PAGE = re.compile(r"(.+)_\d+")


@dataclasses.dataclass(frozen=True)
class _Page:
    """A block's image with its lines: text and box in pixels."""

    id: str
    split: str
    image: str  # its name in the source, "" if it is not there
    lines: tuple[tuple[str, tuple[str, ...]], ...]


def parse_rimes_pages(source: Path, *, workers: int, tell_total: TellTotal = ignore_total) -> Iterator[Sample | Skip]:
    """The lines of all pages, cut out along their boxes, in the order of the files.

    Ids are the image's name and the line's number, such as train2011-12_003; the letter stands for its writer. The
    XML file's name gives the split (training_2011.xml, eval_2011_annotated.xml); of training letters a tenth, chosen
    by a hash of their names, are validation. Boxes are cut off at the image's edges. The source is a folder or an
    archive (tar, zip). Raises InputError: it is missing, or holds no such XML file.
    """
    with open_tree(source, lambda name: entries.is_image(name) or name.lower().endswith(".xml")) as tree:
        names = tree.names()
        by_name: dict[str, list[str]] = {}
        for name in filter(entries.is_image, names):
            by_name.setdefault(PurePosixPath(name).name, []).append(name)
        files = [name for name in names if not entries.is_image(name)]
        pages = [page for name in files for page in _read_pages(tree, name, by_name)]
        if not pages:
            raise InputError(f"{source}: no XML file of RIMES (DocumentList with SinglePage) in it")
        tell_total(sum(len(page.lines) for page in pages))
        with_images = ((page, tree.content(page.image) if page.image else None) for page in pages)
        for outcomes in map_in_order(_cut_lines, with_images, workers=workers, chunk_items=1):
            yield from outcomes


def _read_pages(tree: Tree, name: str, images: Mapping[str, Sequence[str]]) -> Iterator[_Page]:
    """The pages of an XML file. `images` has names without folders: files name folders that users do not keep."""
    root = parse_xml(tree.read(name), name)
    words = re.split(r"[^a-z]+", PurePosixPath(name).stem.lower())
    split = next((found for word in words if (found := split_named(word))), "")
    for page in root.iter("SinglePage"):
        path = page.get("FileName", "")
        namesakes = images.get(PurePosixPath(path).name, [])
        beside = inside(str(PurePosixPath(name).parent), path)
        image = beside if beside and beside in namesakes else namesakes[0] if len(namesakes) == 1 else ""
        id = PurePosixPath(path).stem
        yield _Page(
            id,
            _split_of_letter(id) if split == "train" else split,
            image,
            tuple((line.get("Value", ""), _edges(line)) for line in page.iter("Line")),
        )


def _edges(line: Element) -> tuple[str, ...]:
    return tuple(line.get(edge, "") for edge in _EDGES)


def _split_of_letter(letter: str) -> str:
    position = int.from_bytes(hashlib.sha256(letter.encode()).digest()[:8], "big") / 2**64
    return "validation" if position < _VALIDATION_SHARE else "train"


def _cut_lines(page_and_image: tuple[_Page, bytes | Path | None]) -> list[Sample | Skip]:
    page, image = page_and_image
    outcomes: list[Sample | Skip] = []
    try:
        grey_HxW = None if image is None else open_grey(image, "image")
        problem = "image: no such file"
    except InputError as error:
        grey_HxW, problem = None, str(error).split(" (")[0]
    for number, (text, edges) in enumerate(page.lines):
        id = f"{page.id}_{number:03}"
        if grey_HxW is None:
            outcomes.append(Skip(id, problem))
            continue
        height, width = grey_HxW.shape
        if not all(re.fullmatch(r"-?\d{1,6}", edge) for edge in edges):
            outcomes.append(Skip(id, "line without a box"))
            continue
        left, top, right, bottom = map(int, edges)
        crop = grey_HxW[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
        if not crop.size:
            outcomes.append(Skip(id, "box outside the image"))
            continue
        # A line's text may be broken in the file where its box is not.
        outcomes.append(entries.make_sample(id, " ".join(text.split()), page.id, encode_png(crop), page.split))
    return outcomes


FORMAT = Format(
    "rimes_pages",
    parse_rimes_pages,
    "Lines of RIMES cut out of its images by the boxes of its XML files.",
    unit="line",
    page_id=_PAGE,
    from_scans=True,
    language="French",
    medium=INK,
)
