"""`hwr read`: images to text, and with --page whole pages."""

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwr_jax.commands.decoders import add_decoder_options, build_from_settings, resolve_settings
from hwr_jax.commands.options import Parser, run
from hwr_jax.commands.read_page import add_page_options, check_page_options, name_outputs, read_page_files
from hwr_jax.commands.reading import read_each, text_lines, text_values
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from hwr_jax.reader import Reader, Reading

BATCH_SIZE = 64


def main(argv: Sequence[str]) -> int:
    """Prints a line an image. One that cannot be read gets a line on stderr instead, and in the end status 1."""
    options = _parse(argv)
    if options.n_best < 1:
        raise InputError(f"--n_best={options.n_best}: must be at least 1")
    outputs = name_outputs(options) if options.page else {}
    drawings = _name_drawings(options.images, options.boxes_dir) if options.boxes_dir else {}
    boxes = options.boxes or bool(options.boxes_dir)

    # Orbax tells through absl that it opens a run's checkpoints for reading only.
    logging.getLogger("absl").setLevel(logging.ERROR)
    from hwr_jax.reader import Reader
    from hwr_jax.training.load import load_model
    from hwr_jax.zoo.default_model import default_name

    name = options.model or default_name(options.page)
    model = load_model(name)
    settings = resolve_settings(options, name)
    if options.n_best > 1 and settings.decoder == "greedy":
        raise InputError(f"--n_best={options.n_best}: greedy decoding knows one text; give --decoder=beam")
    reader = Reader(model, build_from_settings(settings, model.alphabet)[0])
    if options.page:
        made_by = f"model {Path(name).name}, decoder {settings.decoder}"
        return read_page_files(outputs, options, reader, made_by)
    failed = 0
    for start in range(0, len(options.images), BATCH_SIZE):
        paths = options.images[start : start + BATCH_SIZE]
        for place, (path, grey_HxW, reading) in enumerate(_read_batch(reader, paths, options.n_best, boxes), start):
            if isinstance(reading, InputError) or reading.problem:
                failed += 1
                sys.stdout.flush()
                cause = reading if isinstance(reading, InputError) else f"{path}: {reading.problem}"
                print(f"hwr read: {cause}", file=sys.stderr, flush=True)
                continue
            print(_json_line(path, reading, options.n_best, boxes) if options.json else _lines(path, reading, boxes))
            if drawings:
                _draw(drawings[place], grey_HxW, reading)
        sys.stdout.flush()
    return 1 if failed else 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="hwr read",
        description="Reads images: one line each, path, text and confidence (0 .. 1), parted by tabs. With --n_best=N "
        "up to N lines each, the likeliest text first.",
        epilog="An image that cannot be read gets a line on stderr; the others are read, and the exit status is 1.\n"
        "So it is with the pages and lines of --page.",
    )
    parser.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        help="a shipped model, an exported folder or a run's workdir (default: the shipped model of words with the "
        "lowest recorded CER, with --page that of lines on scanned pages; hwr models tells which)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object a line: path (with --page: page, line), text, confidence, n_best, boxes",
    )
    parser.add_argument(
        "--n_best",
        type=int,
        default=1,
        metavar="N",
        help="texts an image, with probabilities; needs a beam (default 1)",
    )
    parser.add_argument(
        "--boxes",
        action="store_true",
        help="also where the characters are: LEFT-RIGHT in pixels of the image, one a character, parted by spaces",
    )
    parser.add_argument(
        "--boxes_dir", type=Path, metavar="DIR", help="also draw them: DIR/NAME.png for each image; implies --boxes"
    )
    add_decoder_options(parser)
    add_page_options(parser)
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="image file, such as PNG, JPEG or TIFF; with --page XML"
    )
    options = parser.parse_args(argv)
    check_page_options(options)
    return options


def _read_batch(
    reader: "Reader", paths: Sequence[str], n_best: int, boxes: bool
) -> "Iterator[tuple[str, np.ndarray, Reading] | tuple[str, None, InputError]]":
    """For each path, in order, its pixels and a reading, or an error."""
    opened: dict[int, np.ndarray] = {}
    errors: dict[int, InputError] = {}
    for place, path in enumerate(paths):
        try:
            opened[place] = reader.open(path, path)
        except InputError as error:
            errors[place] = error
    readings = dict(zip(opened, read_each(reader, list(opened.values()), n_best, boxes), strict=True))
    for place, path in enumerate(paths):
        if place in errors:
            yield path, None, errors[place]
        elif isinstance(reading := readings[place], InputError):
            yield path, None, InputError(f"{path}: {reading}")
        else:
            yield path, opened[place], reading


def _lines(path: str, reading: "Reading", boxes: bool) -> str:
    lines = text_lines(path, reading)
    if boxes:
        lines[0] += "\t" + " ".join(
            "-" if box.left is None or box.right is None else f"{box.left:.1f}-{box.right:.1f}" for box in reading.boxes
        )
    return "\n".join(lines)


def _json_line(path: str, reading: "Reading", n_best: int, boxes: bool) -> str:
    values = {"path": path} | text_values(reading, n_best)
    if boxes:
        values["boxes"] = [
            {
                "character": box.character,
                "left": None if box.left is None else round(box.left, 2),
                "right": None if box.right is None else round(box.right, 2),
            }
            for box in reading.boxes
        ]
    return json.dumps(values, ensure_ascii=False)


def _name_drawings(images: Sequence[str], folder: Path) -> dict[int, Path]:
    """A file in the folder for each image, named as the image is.

    Raises:
      InputError: two images have the same name.
    """
    drawings: dict[int, Path] = {}
    seen: dict[str, str] = {}
    for place, image in enumerate(images):
        name = f"{Path(image).stem}.png"
        if seen.setdefault(name, image) != image:
            raise InputError(f"--boxes_dir={folder}: {seen[name]} and {image} would both be drawn to {name}")
        drawings[place] = folder / name
        if drawings[place].resolve() == Path(image).resolve():
            raise InputError(f"--boxes_dir={folder}: {image} would be drawn over; choose another folder")
    return drawings


def _draw(path: Path, grey_HxW: "np.ndarray | None", reading: "Reading") -> None:
    from hwr_jax.files import write_bytes
    from hwr_jax.reports.boxes import draw_boxes

    assert grey_HxW is not None  # It was read.
    write_bytes(path, draw_boxes(grey_HxW, [(box.character, box.left, box.right) for box in reading.boxes]))


if __name__ == "__main__":
    sys.exit(run("read", main, sys.argv[1:]))
