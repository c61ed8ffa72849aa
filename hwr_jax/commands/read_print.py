"""What `hwr read` prints of a reading, and its messages."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import print_json

if TYPE_CHECKING:
    from hwr_jax.reader import Reading
    from hwr_jax.review import Review


def print_reading(
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


def count_texts(options: argparse.Namespace) -> int:
    """Texts that are looked for: the page of readings shows others, too."""
    from hwr_jax.review import ALTERNATIVES

    return max(options.n_best, 1 + ALTERNATIVES) if options.review else int(options.n_best)


def say(message: str) -> None:
    """Prints a line on stderr, behind all that was printed before."""
    sys.stdout.flush()
    print(f"hwr read: {message}", file=sys.stderr, flush=True)
