"""`hwr read`: images of words, lines and pages to text; with --page the lines that page files mark."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.decoders import add_decoder_options, add_parts_option, resolve_decoder
from hwr_jax.commands.input_paths import expand_paths
from hwr_jax.commands.options import Parser, run
from hwr_jax.commands.read_images import check_outputs, read_images
from hwr_jax.commands.read_page_files import name_outputs, read_page_file
from hwr_jax.commands.read_pen_files import read_lines_of_file
from hwr_jax.commands.read_print import print_reading, say
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.reader import Reader, Reading
    from hwr_jax.review import Review


def main(argv: Sequence[str]) -> int:
    """Prints a line an image. One that cannot be read gets a line on stderr instead, and in the end status 1."""
    options = _parse(argv)
    outputs = name_outputs(options.images, options.output) if options.page and options.output else {}
    files = [] if options.page or options.pen_files else expand_paths(options.images, say)
    check_outputs(files, options)

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
        say(f"decoder {reader.decoder_label}; --language_model=none leaves out what the package knows of English")
    made_by = f"model {Path(name).name}, decoder {reader.decoder_label}"
    if routed and not options.model and (options.format or options.viewer):
        made_by = f"models {name} and {default_name(PAGES)}, decoder {reader.decoder_label}"
    if options.page:
        paths = dict.fromkeys(map(Path, options.images))
        read = [read_page_file(reader, path, outputs.get(path), options, made_by, review) for path in paths]
    elif options.pen_files:
        read = [_read_pen_file(reader, path, options, review) for path in options.images]
    else:
        read = [read_images(reader, files, options, review, made_by)]
    if review is not None:
        _end_review(review, options, {"model": Path(name).name, "decoder": reader.decoder_label})
    return 0 if all(read) else 1


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="hwr read",
        description="Reads images of words, lines and pages, and prints a line for each word or line: path, text and "
        "confidence (0 .. 1), with tabs between them. Of a page it finds the lines; --format=text prints its text.",
        epilog="An image, page or line that cannot be read gets a line on stderr. The others are read, and the exit "
        "status is 1.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="PNG, JPEG, TIFF, PDF, HEIC ...; a folder of them; - for standard input; with --page an XML file; or "
        "notes of pen strokes: .xopp (Xournal++), .inkml",
    )
    parser.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        help="a model of the package, an exported folder or a run's folder (default: the package's model of words, "
        "for wide images and with --review or --accept_cer that of lines, with --page that of lines on scanned pages, "
        "for notes that of lines of pen strokes; hwr models lists them)",
    )
    parser.add_argument(
        "--as",
        dest="kind",
        choices=("word", "line", "page"),
        help="what all images show (default: each is looked at, see docs/pages.md)",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "tsv", "alto", "page", "hocr", "pdf"),
        help="print text in reading order, an object a page, a row a word, or a file: ALTO 4, PAGE XML 2019, hOCR, a "
        "searchable PDF",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write what --format names into DIR/NAME.txt, .json, .tsv, .xml, .hocr or .pdf; with --page the texts "
        "into copies of the page files, DIR/NAME.xml, and as plain text, DIR/NAME.txt; over those of an earlier "
        "reading, never over a file that is read",
    )
    parser.add_argument(
        "--viewer",
        type=Path,
        metavar="DIR",
        help="write DIR/NAME.html for each page to look at: the scan with its lines, and the text beside it",
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
        "page files",
        "With --page the files are ALTO (versions 2 to 4) or PAGE XML, each with its scan: the image that it names, "
        "else one with its own name, beside it, up to two folders above or there in images/. See docs/data.md.",
    )
    group.add_argument(
        "--page",
        action="store_true",
        help="read the lines that page files mark; print PAGE/LINE, text and confidence for each",
    )
    group.add_argument("--image", type=Path, metavar="PATH", help="the scan of a single page, wherever it lies")
    options = parser.parse_args(argv)
    if options.n_best < 1:
        raise InputError(f"--n_best={options.n_best}: must be at least 1")
    if options.page:
        for name in ("boxes", "boxes_dir"):
            if getattr(options, name):
                raise InputError(f"--{name}: not with --page; in ALTO the file written says where the words are")
        for flag, value in (("as", options.kind), ("format", options.format), ("viewer", options.viewer)):
            if value:
                raise InputError(f"--{flag}={value}: is for images; the page files of --page say where their lines are")
    elif options.image:
        raise InputError("--image: has no effect without --page")
    elif options.output and not options.format:
        raise InputError(f"--output={options.output}: give --format, too; or --page, if these are page files")
    if options.format and (options.json or options.boxes or options.boxes_dir or options.n_best > 1):
        other = "json" if options.json else "n_best" if options.n_best > 1 else "boxes"
        raise InputError(f"--{other}: not with --format={options.format}, whose files have one text and its places")
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
        flag := next(
            (name for name in ("page", "boxes_dir", "review", "format", "viewer", "output") if getattr(options, name)),
            "",
        )
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
        say(f"readings to check, the least certain first: {options.review}")
    if said := review.describe():
        say(said)


def _read_pen_file(reader: "Reader", path: str, options: argparse.Namespace, review: "Review | None") -> bool:
    def show(name: str, values: dict[str, Any], reading: "Reading") -> None:
        if review is not None:
            review.add(name, reading, None)
        print_reading(name, values, reading, options, review)

    return read_lines_of_file(reader, path, options.n_best, options.boxes, options.json, show, say)


if __name__ == "__main__":
    sys.exit(run("read", main, sys.argv[1:]))
