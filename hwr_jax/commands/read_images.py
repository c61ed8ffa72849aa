"""`hwr read` of images: words, lines and pages, printed or written in a format."""

import argparse
import functools
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.input_paths import InputFile, check_written
from hwr_jax.commands.read_print import count_texts, print_reading, say
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

if TYPE_CHECKING:
    from hwr_jax.image_reading import ImageResult
    from hwr_jax.line_finder import LineFinder
    from hwr_jax.reader import Reader
    from hwr_jax.review import Review


def read_images(
    reader: "Reader", files: Sequence[InputFile], options: argparse.Namespace, review: "Review | None", made_by: str
) -> bool:
    """Reads images and shows each as soon as it is read; `made_by` is for the files. Returns whether all is read."""
    from hwr_jax.image_reading import ImageReader
    from hwr_jax.layout.image_kinds import PAGE
    from hwr_jax.progress import ProgressLine

    words_alone = _models_of_lines(reader)
    why_no_pages = f"this model reads single words; these read lines: {', '.join(words_alone)}"
    images = ImageReader(
        reader,
        _load_finder,
        kind=options.kind,
        n_best=count_texts(options),
        boxes=options.boxes,
        confidences=options.json or review is not None,
        as_pages=bool(options.format or options.viewer),
        why_no_pages=why_no_pages if words_alone else None,
    )
    drawings = name_drawings([file.name for file in files], options.boxes_dir) if options.boxes_dir else []
    like_lines: list[str] = []
    good = True
    with ProgressLine("read") as progress:
        results = images.read((file.name, file.open()) for file in files)
        if options.viewer:
            results = _viewed(results, files, options, made_by)
        if options.format:
            results = _written(results, files, options, made_by)
        for result in results:
            good = _show(result, drawings, options, review) and good
            like_lines += [result.path] * (result.kind != PAGE and any(one.looks_like_line for one in result.readings))
            if options.output or (sys.stderr.isatty() and not sys.stdout.isatty()):
                progress(*_progress(result, files))
    if like_lines and words_alone:
        wide = like_lines[0] if len(like_lines) == 1 else f"{like_lines[0]} and {count_of(like_lines[1:], 'other')}"
        say(f"{wide}: wide as a line, but {why_no_pages}")
    return good


@functools.cache
def _load_finder() -> "LineFinder":
    """What finds the lines of pages; words and lines do not wait for it."""
    from hwr_jax.line_finder import load_line_finder

    return load_line_finder()


def _progress(result: "ImageResult", files: Sequence[InputFile]) -> tuple[int, int]:
    """What is done, and of how many: pages of a single document, else files."""
    if len(files) == 1:
        return result.source.number, result.source.pages
    return result.index + (result.source.number == result.source.pages), len(files)


def _show(
    result: "ImageResult", drawings: Sequence[Path], options: argparse.Namespace, review: "Review | None"
) -> bool:
    """Prints a result and what is wrong with it. Returns whether nothing is."""
    from hwr_jax.layout.image_kinds import PAGE

    if result.problem:
        say(f"{result.name}: {result.problem}")
        if review is not None and not result.readings:
            from hwr_jax.reading import Reading

            review.add(result.name, Reading("", 0.0, problem=result.problem), result.source.grey_HxW)
    several, good = result.kind == PAGE, not result.problem
    for number, reading in enumerate(result.readings, start=1):
        pages = f"/{result.source.number}" if result.source.pages > 1 else ""
        name = f"{result.path}{pages}/{number}" if several else result.name
        if review is not None:
            image_HxW = result.crops[number - 1].image_HxW if several else result.source.grey_HxW
            review.add(name, reading, image_HxW if options.review else None)
        if reading.problem and several:
            say(f"{name}: {reading.problem}")
            good = False
        elif not reading.problem and not options.format:
            from hwr_jax.page_output import name_result

            values = name_result(result) | ({"line": number} if several else {})
            print_reading(name, values, reading, options, review)
    if drawings and not several and result.readings and not result.problem:
        _draw(drawings[result.index], result)
    sys.stdout.flush()
    return good


def _written(
    results: Iterable["ImageResult"], files: Sequence[InputFile], options: argparse.Namespace, made_by: str
) -> Iterator["ImageResult"]:
    """The results, each after it was written in the format that was asked for."""
    from hwr_jax.data.formats.pages import make_note
    from hwr_jax.page_output import FORMATS, DocumentFiles

    format, note = FORMATS[options.format], make_note(made_by)
    if options.output is None:
        writer = format.make(note)
        for result in results:
            if format.a_page and format.a_file and result.source.pages > 1:
                raise InputError(f"--format={options.format}: makes a file of each page; give --output=DIR")
            if result.page is not None:
                sys.stdout.buffer.write(writer.add(result.page, result))
                sys.stdout.buffer.flush()
            yield result
        sys.stdout.buffer.write(writer.finish())
        sys.stdout.buffer.flush()
        return
    written, folder = 0, DocumentFiles(options.output, format, note)
    for index, of_file in itertools.groupby(results, key=lambda result: result.index):
        for result, path in folder.write(files[index].stem, of_file):
            written += path is not None
            yield result
    say(f"{count_of(written, 'file')} written to {options.output}")


def _viewed(
    results: Iterable["ImageResult"], files: Sequence[InputFile], options: argparse.Namespace, made_by: str
) -> Iterator["ImageResult"]:
    """The results, each after a page to look at was written of it."""
    from hwr_jax.files import write_text
    from hwr_jax.page_output import number_page
    from hwr_jax.reports.page_viewer import build_page_viewer

    for result in results:
        if result.page is not None and result.source.grey_HxW is not None:
            path = options.viewer / f"{number_page(files[result.index].stem, result.source)}.html"
            viewer = build_page_viewer(result.page, result.source.grey_HxW, result.name, {"read by": made_by})
            write_text(path, viewer)
        yield result


def check_outputs(files: Sequence[InputFile], options: argparse.Namespace) -> None:
    """Raises InputError: the format asks for a folder, or a file would be written twice or over one that is read."""
    if options.boxes_dir:
        name_drawings([file.name for file in files], options.boxes_dir)
    if not (options.format or options.viewer):
        return
    from hwr_jax.data.formats.pages import make_note
    from hwr_jax.page_output import FORMATS, DocumentFiles, OutputFormat

    format = FORMATS.get(options.format)
    if format is not None and options.output is None and format.a_file:
        if len(files) > 1:
            raise InputError(f"--format={options.format}: makes a file of each image; give --output=DIR")
        if options.format == "pdf" and sys.stdout.isatty():
            raise InputError("--format=pdf: is not for a terminal; give --output=DIR, or add > FILE.pdf")
    targets: list[tuple[str, OutputFormat, Path]] = []
    if format is not None and options.output is not None:
        targets.append(("output", format, options.output))
    if options.viewer is not None:
        targets.append(("viewer", OutputFormat(".html", True, True, FORMATS["text"].make), options.viewer))
    names = [Path(file.name) for file in files]
    for flag, target, folder in targets:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--{flag}={folder}: is a file; give a folder")
        written = [DocumentFiles(folder, target, make_note("")).path(file.stem) for file in files]
        check_written(zip(names, written, strict=True), names)


def _models_of_lines(reader: "Reader") -> list[str]:
    """The package's models of lines, if the reader reads words alone."""
    from hwr_jax.models.trained import TrainedModel
    from hwr_jax.routed_reader import RoutedReader
    from hwr_jax.zoo.model_records import LINES, WORDS, reads_what, shipped_records

    if isinstance(reader, RoutedReader):
        return []
    config = reader.model.config if isinstance(reader.model, TrainedModel) else {}
    return [one.name for one in shipped_records() if one.reads == LINES] if reads_what(config, None) == WORDS else []


def name_drawings(images: Sequence[str], folder: Path) -> list[Path]:
    """A file in the folder for each image, named as the image is; InputError if two have the same name."""
    drawings = [folder / f"{Path(image).stem}.png" for image in images]
    seen: dict[Path, str] = {}
    for image, drawing in zip(images, drawings, strict=True):
        if seen.setdefault(drawing, image) != image:
            raise InputError(f"--boxes_dir={folder}: {seen[drawing]} and {image} would both be drawn to {drawing.name}")
        if drawing.resolve() == Path(image).resolve():
            raise InputError(f"--boxes_dir={folder}: {image} would be drawn over; choose another folder")
    return drawings


def _draw(path: Path, result: "ImageResult") -> None:
    from hwr_jax.files import write_bytes
    from hwr_jax.reports.boxes import draw_boxes

    boxes = [(box.character, box.left, box.right) for box in result.readings[0].boxes]
    if result.source.grey_HxW is not None:
        write_bytes(path, draw_boxes(result.source.grey_HxW, boxes))
