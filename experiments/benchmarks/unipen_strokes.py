"""`python -m experiments.benchmarks.unipen_strokes`: UNIPEN's test split read from its pen strokes, as they are.

Nothing is known but the strokes: neither the writer's size of letters nor the pen's width, which the prepared images
were drawn with. Words, lines, and texts of several lines, which are grouped into lines first; the last are read by the
model of lines and compared with the whole text.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.benchmarks.command import describe_here, make_parser, write_numbers
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import run
from hwr_jax.data.formats.unipen import InkSegment, read_ink_segments
from hwr_jax.data.splits import split_of
from hwr_jax.ink.cutting import split_lines
from hwr_jax.ink.stroke_lines import group_lines
from hwr_jax.reader import Reader
from hwr_jax.routed_reader import load
from hwr_jax.text.distance import Edits, count_edits


def main(argv: Sequence[str]) -> int:
    counts = {"samples": (1_000_000, "most samples of each kind, drawn by chance")}
    parser = make_parser("unipen_strokes", __doc__, counts)
    parser.add_argument("--source", type=Path, required=True, metavar="PATH", help="UNIPEN, as distributed")
    parser.add_argument("--words", default="unipen_words_large", metavar="MODEL")
    parser.add_argument("--lines", default="unipen_lines_large", metavar="MODEL")
    options = parser.parse_args(argv)
    words, texts = (load_test(options.source, kind) for kind in ("WORD", "TEXT"))
    lines = [text for text in texts if len(split_lines(text.strokes)) == 1]
    several = [text for text in texts if len(split_lines(text.strokes)) > 1]
    kinds = (
        ("words", options.words, words),
        ("lines", options.lines, lines),
        ("several lines", options.lines, several),
    )
    rows = [measure(kind, load(model), model, draw(segments, options.samples)) for kind, model, segments in kinds]
    print(align_columns([[*rows[0]], *([*row.values()] for row in rows)], right=range(2, len(rows[0]))))
    print(describe_here()[0])
    write_numbers(options, {"rows": rows})
    return 0


def load_test(source: Path, kind: str) -> list[InkSegment]:
    """The segments of writers of the test split."""
    segments = read_ink_segments(source, kind)
    return [one for one in segments if isinstance(one, InkSegment) and split_of(one.writer) == "test"]


def draw(segments: list[InkSegment], most: int) -> list[InkSegment]:
    """At most so many of them."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(segments))[:most])
    return [segments[index] for index in chosen]


def measure(kind: str, reader: Reader, model: str, segments: list[InkSegment]) -> dict[str, str]:
    """A row: how many, CER, the share read without a mistake, and the share grouped as one line."""
    edits, right, one_line = Edits(), 0, 0
    for segment in segments:
        grouped = group_lines(segment.strokes)
        one_line += len(grouped) == 1
        lines = grouped if kind == "several lines" else [segment.strokes]
        text = " ".join(reader.read_strokes(line).text for line in lines)
        edits, right = edits + count_edits(segment.text, text), right + (text == segment.text)
    return {
        "what": kind,
        "model": model,
        "samples": str(len(segments)),
        "CER %": f"{100 * edits.cer:.2f}",
        "all right %": f"{100 * right / max(len(segments), 1):.1f}",
        "grouped as one line %": f"{100 * one_line / max(len(segments), 1):.1f}",
    }


if __name__ == "__main__":
    sys.exit(run("unipen_strokes", main, sys.argv[1:], program=""))
