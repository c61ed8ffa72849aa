"""`hwr read`: images to text."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hwr_jax.commands.main import run
from hwr_jax.commands.options import Parser
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.reader import Reader, Reading

DEFAULT_MODEL = "unipen_words"
BATCH_SIZE = 64


def main(argv: Sequence[str]) -> int:
    """Prints a line an image. One that cannot be read gets a line on stderr instead, and in the end status 1."""
    parser = Parser(
        prog="hwr read",
        description="Reads images: one line each, path, text and confidence (0 .. 1), parted by tabs.",
        epilog="An image that cannot be read gets a line on stderr; the others are read, and the exit status is 1.",
    )
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME_OR_PATH",
        help=f"a shipped model, an exported folder or a run's workdir (default {DEFAULT_MODEL})",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line: path, text, confidence")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image file, such as PNG, JPEG or TIFF")
    options = parser.parse_args(argv)

    # Orbax tells through absl that it opens a run's checkpoints for reading only.
    logging.getLogger("absl").setLevel(logging.ERROR)
    from hwr_jax.reader import load

    reader = load(options.model)
    failed = 0
    for start in range(0, len(options.images), BATCH_SIZE):
        paths = options.images[start : start + BATCH_SIZE]
        for path, reading in _read_batch(reader, paths):
            if isinstance(reading, InputError):
                failed += 1
                sys.stdout.flush()
                print(f"hwr read: {reading}", file=sys.stderr, flush=True)
            else:
                print(_line(path, reading, as_json=options.json))
        sys.stdout.flush()
    return 1 if failed else 0


def _read_batch(reader: "Reader", paths: Sequence[str]) -> "Iterator[tuple[str, Reading | InputError]]":
    """A reading or an error for each path, in order."""
    import numpy as np

    frames: list[np.ndarray] = []
    errors: dict[int, InputError] = {}
    for place, path in enumerate(paths):
        try:
            frames.append(reader.fit(path, path))
        except InputError as error:
            errors[place] = error
    readings = iter(reader.read_frames(np.stack(frames)) if frames else [])
    for place, path in enumerate(paths):
        yield path, errors[place] if place in errors else next(readings)


def _line(path: str, reading: "Reading", *, as_json: bool) -> str:
    if as_json:
        values = {"path": path, "text": reading.text, "confidence": round(reading.confidence, 6)}
        return json.dumps(values, ensure_ascii=False)
    return f"{path}\t{reading.text}\t{reading.confidence:.4f}"


if __name__ == "__main__":
    sys.exit(run("read", main, sys.argv[1:]))
