"""`hwr read --page`: page scans with their ALTO or PAGE files to copies of these files with the text."""

import argparse
import dataclasses
import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.options import Parser
from hwr_jax.commands.reading import by_character, read_each, text_lines, text_values
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from hwr_jax.data.formats.line_text import Box, LineText, ReadingNote
    from hwr_jax.data.formats.pages import Page, PageLine
    from hwr_jax.reader import CharacterBox, Reader, Reading

DEFAULT_FOLDER = "read"
BATCH_SIZE = 64


def add_page_options(parser: Parser) -> None:
    """--page and what goes with it."""
    group = parser.add_argument_group(
        "pages",
        "the files are ALTO (.xml, versions 2 to 4) or PAGE XML, each with its scan: the image that it names, beside\n"
        "it, in the folder above or in images/, else one with its own name. See docs/data.md",
    )
    group.add_argument(
        "--page",
        action="store_true",
        help="read the lines of pages: a line each, PAGE/LINE, text and confidence; and write the texts into copies "
        "of the files, and as plain text",
    )
    group.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help=f"where NAME.xml and NAME.txt go, over what an earlier reading left there; never over a file that is read "
        f"(default: the folder {DEFAULT_FOLDER} beside each file)",
    )
    group.add_argument("--image", type=Path, metavar="PATH", help="the scan of a single page, wherever it lies")


def check_page_options(options: argparse.Namespace) -> None:
    """Raises InputError for options that do not go together."""
    for name in ("output", "image"):
        if getattr(options, name) and not options.page:
            raise InputError(f"--{name}: has no effect without --page")
    if not options.page:
        return
    for name in ("boxes", "boxes_dir"):
        if getattr(options, name):
            raise InputError(f"--{name}: not with --page; in ALTO the file written says where the words are")
    if options.image and len(options.images) > 1:
        raise InputError(f"--image={options.image}: is for one page, and here are {len(options.images)}")


def name_outputs(options: argparse.Namespace) -> dict[Path, Path]:
    """For each page file the file that it will be written to, beside which the plain text goes.

    Raises:
      InputError: two pages would be written to one file, or one over a file that is read; or no file is a page file.
    """
    outputs: dict[Path, Path] = {}
    readers: dict[Path, Path] = {}
    inputs = {Path(name).resolve() for name in options.images}
    if options.output and options.output.exists() and not options.output.is_dir():
        raise InputError(f"--output={options.output}: is a file; give a folder")
    for path in map(Path, options.images):
        folder = options.output or path.parent / DEFAULT_FOLDER
        outputs[path] = folder / path.name
        written = {(folder / path.name).resolve(), (folder / path.name).with_suffix(".txt").resolve()}
        if written & inputs:
            raise InputError(f"{path}: would be written over a file that is read; give another folder by --output=DIR")
        for place in written:
            if readers.setdefault(place, path).resolve() != path.resolve():
                raise InputError(f"{readers[place]} and {path} would both be written to {place}; read them apart")
    return outputs


def read_page_files(outputs: Mapping[Path, Path], options: argparse.Namespace, reader: "Reader", settings: str) -> int:
    """Reads pages, prints their lines and writes their files. What cannot be read gets a line on stderr.

    Args:
      outputs: page files and what each is written to.
      options: of the command.
      reader: of the model.
      settings: model and decoder, for the note in the files.

    Returns:
      The exit status, 1 if a page or a line could not be read.
    """
    from hwr_jax.data.formats.line_text import ReadingNote

    try:
        version = metadata.version("hwr_jax")
    except metadata.PackageNotFoundError:
        version = "unknown"
    failed = False
    for path, output in outputs.items():
        when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            failed |= _read_page_file(path, output, options, reader, ReadingNote(when, settings, version))
        except InputError as error:
            failed = True
            _tell(str(error))
    return 1 if failed else 0


def _read_page_file(
    path: Path, output: Path, options: argparse.Namespace, reader: "Reader", note: "ReadingNote"
) -> bool:
    """Whether there was a line that could not be read. Raises InputError for a page that cannot be."""
    from hwr_jax.data.formats.page_text import parse_page_file, write_texts
    from hwr_jax.files import write_bytes, write_text

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    page = parse_page_file(data, str(path))
    if not page.lines:
        raise InputError(f"{path}: page without lines")
    page_HxW = _open_image(path, page, options.image)
    texts: dict[int, LineText] = {}
    for number, (line, found) in enumerate(_read_lines(page.lines, page_HxW, reader, options.n_best)):
        name = " ".join(line.name.split())
        if isinstance(found, _Line):
            texts[number] = found.text
            print(_json(path, name, found, options.n_best) if options.json else _plain(path, name, found))
        else:
            sys.stdout.flush()
            _tell(f"{path}: line {name}: {found}")
    sys.stdout.flush()
    if not texts:
        raise InputError(f"{path}: no line could be read; nothing is written")
    written = write_texts(data, str(path), texts, note)
    write_bytes(output, written.xml)
    write_text(output.with_suffix(".txt"), written.plain_text)
    message = f"{path}: {len(texts)} of {len(page.lines)} lines read, written to {output} and {output.stem}.txt"
    if written.dropped:
        dropped = ", ".join(f"{count} {tag}" for tag, count in sorted(written.dropped.items()))
        message += f"; taken out, for they told of the old text: {dropped}"
    if written.dangling:
        message += f"; its reading order still names what was taken out: {', '.join(written.dangling)}"
    _tell(message)
    return len(texts) < len(page.lines)


@dataclasses.dataclass(frozen=True)
class _Line:
    """A line that was read, and its text with single spaces and the words' places."""

    reading: "Reading"
    text: "LineText"


def _read_lines(
    lines: "Sequence[PageLine]", page_HxW: "np.ndarray", reader: "Reader", n_best: int
) -> "list[tuple[PageLine, _Line | str]]":
    """For each line what was read, or why nothing was."""
    from hwr_jax.ink.line import straighten_line

    found: dict[int, _Line | str] = {}
    crops: dict[int, np.ndarray] = {}
    for number, line in enumerate(lines):
        if line.outline is None:
            found[number] = "has no outline that can be read"
            continue
        try:
            crops[number] = straighten_line(page_HxW, line.outline, line.baseline)
        except InputError as error:
            found[number] = str(error).removeprefix("line: ")
    numbers = list(crops)
    for start in range(0, len(numbers), BATCH_SIZE):
        batch = numbers[start : start + BATCH_SIZE]
        readings = read_each(reader, [crops[number] for number in batch], n_best, boxes=True)
        for number, reading in zip(batch, readings, strict=True):
            found[number] = _line(lines[number], reading, page_HxW.shape)
    return [(line, found[number]) for number, line in enumerate(lines)]


def _line(line: "PageLine", reading: "Reading | InputError", page_shape: tuple[int, ...]) -> "_Line | str":
    from hwr_jax.data.formats.line_text import LineText
    from hwr_jax.data.xml_edits import escape

    if isinstance(reading, InputError):
        return str(reading)
    if reading.problem:
        return reading.problem
    text = " ".join(reading.text.split())
    try:
        escape(text)
    except InputError as error:
        return str(error)
    reading = by_character(reading)
    return _Line(reading, LineText(text, reading.confidence, _word_boxes(line, text, reading.boxes, page_shape)))


def _word_boxes(
    line: "PageLine", text: str, characters: "Sequence[CharacterBox]", page_shape: tuple[int, ...]
) -> "tuple[Box, ...]":
    """Where the words of the text are on the page; () if that is not known."""
    import numpy as np

    from hwr_jax.ink.line import boxes_on_page

    words: list[str] = []
    columns: list[tuple[float, float]] = []
    is_inside = False
    for box in characters:
        if box.character.isspace():
            is_inside = False
        elif box.left is None or box.right is None:
            return ()
        elif is_inside:
            words[-1] += box.character
            columns[-1] = (columns[-1][0], box.right)
        else:
            words.append(box.character)
            columns.append((box.left, box.right))
            is_inside = True
    if not words or words != text.split() or line.outline is None:
        return ()
    boxes_Bx4 = boxes_on_page(line.outline, line.baseline, page_shape, np.array(columns))
    return tuple((left, top, right, bottom) for left, top, right, bottom in boxes_Bx4.tolist())


def _open_image(path: Path, page: "Page", image: Path | None) -> "np.ndarray":
    """The scan's pixels, uint8 [H, W]. Raises InputError if there are none for this page."""
    from hwr_jax.data.formats.pages import find_image, open_page_image
    from hwr_jax.data.tree import open_tree

    found: bytes | Path | None = image
    if image is None:
        # The folder above is the tree, for scans often lie above their page files.
        place = path.resolve()
        with open_tree(place.parent.parent, lambda _: True) as tree:
            found = find_image(tree, f"{place.parent.name}/{place.name}", page.image_name)
        if found is None:
            named = f"it names {' '.join(page.image_name.split())!r}" if page.image_name else "it names none"
            raise InputError(f"{path}: page image: no such file ({named}); put it beside, or give --image=PATH")
    try:
        return open_page_image(found, page.size_px)
    except InputError as error:
        where = found if isinstance(found, Path) else path
        raise InputError(f"{path}: {error}; it is {where}") from error


def _plain(path: Path, name: str, found: _Line) -> str:
    return "\n".join(text_lines(f"{path.with_suffix('')}/{name}", found.reading))


def _json(path: Path, name: str, found: _Line, n_best: int) -> str:
    values = {"page": str(path), "line": name} | text_values(found.reading, n_best)
    return json.dumps(values, ensure_ascii=False)


def _tell(message: str) -> None:
    print(f"hwr read: {message}", file=sys.stderr, flush=True)
