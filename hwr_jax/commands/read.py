"""`hwr read`: images to text, and with --page whole pages."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.decoders import add_decoder_options, add_parts_option, resolve_decoder
from hwr_jax.commands.options import Parser, print_json, run
from hwr_jax.commands.read_pen_files import read_lines_of_file
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of

if TYPE_CHECKING:
    import numpy as np

    from hwr_jax.reader import Reader, Reading
    from hwr_jax.review import Review


def main(argv: Sequence[str]) -> int:
    """Prints a line an image. One that cannot be read gets a line on stderr instead, and in the end status 1."""
    options = _parse(argv)
    outputs = _name_outputs(options.images, options.output) if options.output else {}
    drawings = _name_drawings(options.images, options.boxes_dir) if options.boxes_dir else []

    from hwr_jax.decoding.settings import GREEDY
    from hwr_jax.routed_reader import load
    from hwr_jax.zoo.model_records import INK_LINES, LINES, PAGES, WORDS, default_name

    reviewed = options.review is not None or options.accept_cer is not None
    what = PAGES if options.page else INK_LINES if options.pen_files else LINES if reviewed else WORDS
    name = options.model or default_name(what)
    # A promise of an error rate is that of one model. Else images are of words or lines, each with its model.
    routed = what == WORDS and not reviewed
    reader = load(options.model if routed else name, resolve_decoder(options, name), options.parts)
    review = _prepare_review(reader, options)
    if options.review:
        from hwr_jax.review import with_alternatives

        reader = with_alternatives(reader)
    if options.n_best > 1 and reader.decoder_label == GREEDY:
        raise InputError(f"--n_best={options.n_best}: greedy decoding gives one text; give --decoder=beam")
    if "English" in reader.decoder_label and not (options.language_model or options.lexicon):
        _say(f"decoder {reader.decoder_label}; --language_model=none leaves out what the package knows of English")
    if options.page:
        made_by = f"model {Path(name).name}, decoder {reader.decoder_label}"
        paths = dict.fromkeys(map(Path, options.images))
        failed = [not _read_page(reader, path, outputs.get(path), options, made_by, review) for path in paths]
    elif options.pen_files:
        failed = [not _read_pen_file(reader, path, options, review) for path in options.images]
    else:
        failed = list(_read_images(reader, drawings, options, review))
    if review is not None:
        _end_review(review, options, {"model": Path(name).name, "decoder": reader.decoder_label})
    return 1 if any(failed) else 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="hwr read",
        description="Reads images and prints a line for each: path, text and confidence (0 .. 1), with tabs between "
        "them. With --n_best=N it prints up to N lines an image, the likeliest text first.",
        epilog="An image, page or line that cannot be read gets a line on stderr. The others are read, and the exit "
        "status is 1.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="PNG, JPEG, TIFF ...; with --page an XML file; or notes of pen strokes: .xopp (Xournal++), .inkml",
    )
    parser.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        help="a model of the package, an exported folder or a run's folder (default: the package's model of words, "
        "for wide images and with --review or --accept_cer that of lines, with --page that of lines on scanned pages, "
        "for notes that of lines of pen strokes; hwr models lists them)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object a line, with the same values by name, and of each word and character its confidence",
    )
    parser.add_argument(
        "--n_best", type=int, default=1, metavar="N", help="texts an image; more than 1 need --decoder=beam (default 1)"
    )
    parser.add_argument(
        "--boxes",
        action="store_true",
        help="print where the characters are, too: LEFT-RIGHT of each, in pixels of the image",
    )
    parser.add_argument(
        "--boxes_dir", type=Path, metavar="DIR", help="draw them into DIR/NAME.png for each image; implies --boxes"
    )
    parser.add_argument(
        "--review",
        type=Path,
        metavar="FILE.html",
        help="write a page of the readings to check, the least certain first, with images and alternatives",
    )
    parser.add_argument(
        "--accept_cer",
        type=_rate,
        metavar="RATE",
        help="accept the readings whose confidence promises a CER of at most this, such as 1%%, by the model's curve "
        "on its validation data; says how many, and marks them with --review and --json",
    )
    add_parts_option(parser)
    add_decoder_options(parser)
    group = parser.add_argument_group(
        "pages",
        "The files are ALTO (versions 2 to 4) or PAGE XML, each with its scan: the image that it names, else one with "
        "its own name, beside it, up to two folders above or there in images/. See docs/data.md.",
    )
    group.add_argument(
        "--page",
        action="store_true",
        help="read the lines of pages; print PAGE/LINE, text and confidence for each",
    )
    group.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write the texts into copies of the files, DIR/NAME.xml, and as plain text, DIR/NAME.txt; over those of "
        "an earlier reading, never over a file that is read",
    )
    group.add_argument("--image", type=Path, metavar="PATH", help="the scan of a single page, wherever it lies")
    options = parser.parse_args(argv)
    if options.n_best < 1:
        raise InputError(f"--n_best={options.n_best}: must be at least 1")
    for name in ("boxes", "boxes_dir") if options.page else ("output", "image"):
        if getattr(options, name):
            reason = "not with --page; in ALTO the file written says where the words are"
            raise InputError(f"--{name}: {reason if options.page else 'has no effect without --page'}")
    if options.image and len(options.images) > 1:
        raise InputError(f"--image={options.image}: is for one page, and here are {len(options.images)}")
    if options.review and options.review.suffix not in (".html", ".htm"):
        raise InputError(f"--review={options.review}: must end in .html")
    if options.review and options.review.resolve() in {Path(image).resolve() for image in options.images}:
        raise InputError(f"--review={options.review}: would be written over a file that is read")
    options.boxes |= bool(options.boxes_dir)
    from hwr_jax.data.pen_files import is_pen_file

    pen_files = [is_pen_file(path) for path in options.images]
    options.pen_files = any(pen_files)
    if options.pen_files and not all(pen_files):
        image = options.images[pen_files.index(False)]
        raise InputError(f"{image}: an image beside files of pen strokes, which another model reads; read them apart")
    if options.pen_files and (
        flag := next((name for name in ("page", "boxes_dir", "review") if getattr(options, name)), "")
    ):
        raise InputError(f"--{flag}: is for images; files of pen strokes are read line by line without it")
    return options


def _rate(text: str) -> float:
    """A CER from "1%" or "0.01", as the type of a flag."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate; write it as 1% or 0.01")
    return value


def _prepare_review(reader: "Reader", options: argparse.Namespace) -> "Review | None":
    """What collects the readings; None where nobody asked for it."""
    if options.review is None and options.accept_cer is None:
        return None
    from hwr_jax.review import Review, make_promise

    if options.accept_cer is None:
        return Review()
    return Review(make_promise(reader.calibrations, options.accept_cer, reader.decoder_label))


def _end_review(review: "Review", options: argparse.Namespace, facts: dict[str, str]) -> None:
    if options.review is not None:
        review.write(options.review, facts)
        _say(f"readings to check, the least certain first: {options.review}")
    if said := review.describe():
        _say(said)


def _read_images(
    reader: "Reader", drawings: Sequence[Path], options: argparse.Namespace, review: "Review | None"
) -> Iterable[bool]:
    """Whether reading failed, image by image."""
    from hwr_jax.data.batches import BATCH_SIZE

    like_lines: list[str] = []
    for start in range(0, len(options.images), BATCH_SIZE):
        paths = options.images[start : start + BATCH_SIZE]
        sure = options.json or review is not None
        readings = reader.read(paths, _n_best(options), options.boxes, sure, keep_going=True)
        for index, (path, reading) in enumerate(zip(paths, readings, strict=True), start):
            if review is not None:
                review.add(path, reading, _open(path) if options.review else None)
            if not reading.problem:
                _print(path, {"path": path}, reading, options, review)
                if drawings:
                    _draw(drawings[index], path, reading)
            else:
                _say(f"{path}: {reading.problem}")
            like_lines += [path] * reading.looks_like_line
            yield bool(reading.problem)
        sys.stdout.flush()
    if like_lines and (lines := _models_of_lines(reader)):
        images = like_lines[0] if len(like_lines) == 1 else f"{like_lines[0]} and {count_of(like_lines[1:], 'other')}"
        _say(f"{images}: wide as a line, but this model reads single words; these read lines: {', '.join(lines)}")


def _read_pen_file(reader: "Reader", path: str, options: argparse.Namespace, review: "Review | None") -> bool:
    def show(name: str, values: dict[str, Any], reading: "Reading") -> None:
        if review is not None:
            review.add(name, reading, None)
        _print(name, values, reading, options, review)

    return read_lines_of_file(reader, path, options.n_best, options.boxes, options.json, show, _say)


def _models_of_lines(reader: "Reader") -> list[str]:
    """The package's models of lines, if the reader reads words alone."""
    from hwr_jax.models.trained import TrainedModel
    from hwr_jax.routed_reader import RoutedReader
    from hwr_jax.zoo.model_records import LINES, WORDS, reads_what, shipped_records

    if isinstance(reader, RoutedReader):
        return []
    config = reader.model.config if isinstance(reader.model, TrainedModel) else {}
    return [one.name for one in shipped_records() if one.reads == LINES] if reads_what(config, None) == WORDS else []


def _n_best(options: argparse.Namespace) -> int:
    """Texts that are looked for: the page of readings shows others, too."""
    from hwr_jax.review import ALTERNATIVES

    return max(options.n_best, 1 + ALTERNATIVES) if options.review else int(options.n_best)


def _open(path: str) -> "np.ndarray | None":
    """An image that may be none."""
    from hwr_jax.ink.image import open_grey

    try:
        return open_grey(Path(path), path)
    except InputError:
        return None


def _read_page(
    reader: "Reader",
    path: Path,
    output: Path | None,
    options: argparse.Namespace,
    made_by: str,
    review: "Review | None",
) -> bool:
    """Whether all lines of a page were read."""
    from hwr_jax.files import write_bytes, write_text
    from hwr_jax.page_reader import read_page

    try:
        page = read_page(
            reader, path, image=options.image, n_best=_n_best(options), write=output is not None, made_by=made_by
        )
    except InputError as error:
        _say(str(error))
        return False
    for line in page.lines:
        name = f"{path.with_suffix('')}/{line.name}"
        if review is not None:
            review.add(name, line.reading, line.image_HxW if options.review else None)
        if line.reading.problem:
            _say(f"{path}: line {line.name}: {line.reading.problem}")
        else:
            values = {"page": str(path), "line": line.name}
            _print(name, values, line.reading, options, review)
    read = sum(not line.reading.problem for line in page.lines)
    if not read:
        _say(f"{path}: no line could be read; nothing is written")
        return False
    message = f"{path}: {read} of {count_of(page.lines, 'line')} read"
    if output is None or page.written is None:
        _say(f"{message}; --output=DIR writes them into a copy of the file")
        return read == len(page.lines)
    write_bytes(output, page.written.xml)
    write_text(output.with_suffix(".txt"), page.written.plain_text)
    message += f", written to {output} and {output.stem}.txt"
    if page.written.dropped:
        dropped = ", ".join(f"{count} {tag}" for tag, count in sorted(page.written.dropped.items()))
        message += f"; taken out, as they described the old text: {dropped}"
    if page.written.dangling:
        message += f"; its reading order still names what was taken out: {', '.join(page.written.dangling)}"
    _say(message)
    return read == len(page.lines)


def _print(
    name: str, values: dict[str, Any], reading: "Reading", options: argparse.Namespace, review: "Review | None"
) -> None:
    """The lines of a reading, or one of JSON that begins with the values."""
    if options.json:
        values |= {"text": reading.text, "confidence": round(reading.confidence, 6)}
        for name in ("words", "characters"):
            values[name] = [
                {"text": piece.text, "confidence": round(piece.confidence, 6)} for piece in getattr(reading, name)
            ]
        if options.n_best > 1:
            values["n_best"] = [
                {"text": found.text, "probability": round(found.probability, 6)}
                for found in reading.n_best[: options.n_best]
            ]
        if review is not None and review.promise is not None:
            values["accepted"] = review.promise.keeps(reading)
        if options.boxes:
            values["boxes"] = [
                {name: round(value, 2) if isinstance(value, float) else value for name, value in vars(box).items()}
                for box in reading.boxes
            ]
        print_json(values)
        return
    ranges = ("-" if box.left is None else f"{box.left:.1f}-{box.right:.1f}" for box in reading.boxes)
    boxes = "\t" + " ".join(ranges) if options.boxes else ""
    for rank, found in enumerate(reading.n_best[: options.n_best]):
        print(f"{name}\t{found.text}\t{found.probability:.4f}{'' if rank else boxes}")


def _name_outputs(pages: Sequence[str], folder: Path) -> dict[Path, Path]:
    """For each page file the file in the folder that it will be written to, beside which the plain text goes.

    Raises InputError: two pages would be written to one file, or one over a file that is read.
    """
    outputs: dict[Path, Path] = {}
    sources: dict[Path, Path] = {}
    inputs = {Path(name).resolve() for name in pages}
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output={folder}: is a file; give a folder")
    for path in map(Path, pages):
        outputs[path] = folder / path.name
        written = {outputs[path].resolve(), outputs[path].with_suffix(".txt").resolve()}
        if written & inputs:
            raise InputError(f"{path}: would be written over a file that is read; give another folder by --output=DIR")
        for file in written:
            if sources.setdefault(file, path).resolve() != path.resolve():
                raise InputError(f"{sources[file]} and {path} would both be written to {file}; read them apart")
    return outputs


def _name_drawings(images: Sequence[str], folder: Path) -> list[Path]:
    """A file in the folder for each image, named as the image is; InputError if two have the same name."""
    drawings = [folder / f"{Path(image).stem}.png" for image in images]
    seen: dict[Path, str] = {}
    for image, drawing in zip(images, drawings, strict=True):
        if seen.setdefault(drawing, image) != image:
            raise InputError(f"--boxes_dir={folder}: {seen[drawing]} and {image} would both be drawn to {drawing.name}")
        if drawing.resolve() == Path(image).resolve():
            raise InputError(f"--boxes_dir={folder}: {image} would be drawn over; choose another folder")
    return drawings


def _draw(path: Path, image: str, reading: "Reading") -> None:
    from hwr_jax.files import write_bytes
    from hwr_jax.ink.image import open_grey
    from hwr_jax.reports.boxes import draw_boxes

    write_bytes(
        path, draw_boxes(open_grey(Path(image), image), [(box.character, box.left, box.right) for box in reading.boxes])
    )


def _say(message: str) -> None:
    sys.stdout.flush()
    print(f"hwr read: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run("read", main, sys.argv[1:]))
