"""Lines of a text of your own, written by synthetic writers."""

import functools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hwr_jax.data.archives import decode_text
from hwr_jax.data.formats.base import STROKES, DataTerms, Format, Option, TellTotal, ignore_total
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.scan_like import draw_like_scan
from hwr_jax.ink.strokes import draw_strokes, encode_png
from hwr_jax.ink.writers import make_writer, write_line
from hwr_jax.text.alphabet import IAM78

_LINES_PER_WRITER = 20
_MOST_WORDS = 10
_MOST_CHARACTERS = 70
_MAX_WIDTH_PX = 4096


def parse_synthetic_lines(
    source: Path,
    *,
    workers: int,
    tell_total: TellTotal = ignore_total,
    lines: str = "10000",
    like_scans: bool = False,
) -> Iterator[Sample]:
    """Lines of 1 to 10 words of a text, in the text's order, twenty by each writer.

    Where the text is longer than `lines` lines, these are runs of its words from all over it. Words with characters
    that synthetic writers do not know are left out. `like_scans` says whether strokes are drawn as ink on scanned
    paper, see `hwr_jax.ink.scan_like`. Ids look like "synthetic-line-w0012-03", writers like "w0012". Raises
    InputError: the source is no text file, or holds no word that can be written; or `lines` is no positive number.
    """
    if not lines.isdecimal() or not int(lines):
        raise InputError(f"--lines={lines}: is no positive whole number")
    texts = _make_lines(read_words(source), int(lines))
    tell_total(len(texts))
    blocks = [texts[start : start + _LINES_PER_WRITER] for start in range(0, len(texts), _LINES_PER_WRITER)]
    write = functools.partial(write_samples, like_scans=like_scans)
    for samples in map_in_order(write, list(enumerate(blocks)), workers=workers, chunk_items=1):
        yield from samples


def write_samples(block: tuple[int, list[str]], *, like_scans: bool) -> list[Sample]:
    """The lines of one writer, who is known by a number."""
    number, texts = block
    name = f"w{number:04d}"
    writer = make_writer(f"line-{name}")
    samples = []
    for at, text in enumerate(texts):
        rng = np.random.default_rng([number, at])
        strokes = write_line(writer, text, rng)
        if like_scans:
            image = draw_like_scan(strokes, rng, max_width_px=_MAX_WIDTH_PX)
        else:
            image = encode_png(draw_strokes(strokes, pen_width_px=writer.pen_width_px, max_width_px=_MAX_WIDTH_PX))
        samples.append(Sample(f"synthetic-line-{name}-{at:02d}", text, name, image))
    return samples


def read_words(source: Path) -> list[str]:
    """The words of a text file that synthetic writers can write. Raises InputError as `parse_synthetic_lines` does."""
    try:
        text = decode_text(source.read_bytes(), "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: is no text file in UTF-8; give one with --source=TEXT.txt") from error
    known = re.compile(f"[{re.escape(IAM78)}]+")
    words = [word for word in unicodedata.normalize("NFC", text).split() if known.fullmatch(word)]
    if not words:
        raise InputError(f"{source}: has no word that synthetic writers can write; they know {IAM78}")
    return words


def _make_lines(words: list[str], most: int) -> list[str]:
    """The words in lines of random lengths; of more than `most`, that many at even distances."""
    rng = np.random.default_rng(0)
    texts: list[str] = []
    start = 0
    while start < len(words):
        line = words[start : start + int(rng.integers(1, _MOST_WORDS + 1))]
        while len(line) > 1 and len(" ".join(line)) > _MOST_CHARACTERS:
            line.pop()
        texts.append(" ".join(line))
        start += len(line)
    return [texts[index] for index in np.linspace(0, len(texts) - 1, min(most, len(texts))).astype(int).tolist()]


FORMAT = Format(
    "synthetic_lines",
    parse_synthetic_lines,
    "Lines of a text, written by synthetic writers.",
    (
        Option("lines", "how many lines at most (default: 10000)", metavar="N"),
        Option("like_scans", "strokes drawn as ink on scanned paper", switch=True),
    ),
    unit="line",
    language="English",
    medium=STROKES,
    terms=DataTerms("synthetic writers of hwr_jax", "none: made up", "made up by hwr_jax, of no one's handwriting"),
)
