"""The README's picture: twelve words of synthetic writers and what a model reads.

    python -m experiments.readme_picture

writes docs/images/synthetic_words.png. The words are not chosen: they are the first word of each of the first twelve
writers of the synthetic test split (`hwr_jax.data.formats.synthetic`, seed 0), none of whom any shipped model has seen.
"""

import io
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageOps

from hwr_jax.commands.options import Parser, run
from hwr_jax.data.formats.synthetic import write_samples
from hwr_jax.data.sample import Sample
from hwr_jax.data.splits import split_of
from hwr_jax.errors import InputError
from hwr_jax.files import write_bytes
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.label_font import load_label_font
from hwr_jax.reports.sheet import draw_marked
from hwr_jax.zoo.model_records import default_name

if TYPE_CHECKING:
    from hwr_jax.reader import Reading

WORDS, COLUMNS = 12, 4
# Twice as many pixels as they are shown with, for screens with small pixels.
_CARD_PX, _GAP_PX, _EDGE_PX, _RADIUS_PX = (430, 220), 20, 3, 18
_IMAGE_PX, _PADDING_PX, _TEXT_PX, _LABEL_PX = (390, 92), 20, 30, 76
_BACKGROUND, _INK, _FAINT, _RIGHT, _WRONG = "#ffffff", "#1c2430", "#5d6875", "#1a7f37", "#c8102e"


def main(argv: Sequence[str]) -> int:
    """Writes the picture and says how many words were read right."""
    parser = Parser(prog="python -m experiments.readme_picture", description=__doc__)
    parser.add_argument(
        "--model", metavar="NAME_OR_PATH", help="which reads them (default: the one that hwr read takes by itself)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("docs/images/synthetic_words.png"), metavar="FILE.png", help="where it goes"
    )
    options = parser.parse_args(argv)
    if options.output.suffix != ".png":
        raise InputError(f"--output={options.output}: must end in .png")
    from hwr_jax.routed_reader import load

    name = options.model or default_name()
    samples = choose_words(WORDS)
    readings = load(name).read([sample.image for sample in samples])
    right = sum(sample.text == reading.text for sample, reading in zip(samples, readings, strict=True))
    write_bytes(options.output, draw_picture(samples, readings))
    size_kb = options.output.stat().st_size / 1e3
    print(f"{options.output}: {right} of {len(samples)} words read right by {name}, {size_kb:.0f} kB")
    return 0


def choose_words(count: int) -> list[Sample]:
    """The first word of each of the first `count` writers of the synthetic test split."""
    writers = (number for number in itertools.count() if split_of(f"w{number:04d}") == "test")
    words = (write_samples(writer, words=1, seed=0) for writer in writers)
    return list(itertools.islice(itertools.chain.from_iterable(words), count))


def draw_picture(samples: "Sequence[Sample]", readings: "Sequence[Reading]") -> bytes:
    """Cards on a transparent background, each with a word and its prediction: a PNG for light pages and dark ones."""
    rows = -(-len(samples) // COLUMNS)
    width, height = (
        count * side + (count - 1) * _GAP_PX for count, side in zip((COLUMNS, rows), _CARD_PX, strict=True)
    )
    picture = Image.new("RGBA", (width, height))
    for index, (sample, reading) in enumerate(zip(samples, readings, strict=True)):
        row, column = divmod(index, COLUMNS)
        corner = (column * (_CARD_PX[0] + _GAP_PX), row * (_CARD_PX[1] + _GAP_PX))
        picture.paste(_draw_card(sample, reading), corner)
    encoded = io.BytesIO()
    # Few colours are enough for grey ink, and keep the file small.
    picture.quantize(64, method=Image.Quantize.FASTOCTREE).save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def _draw_card(sample: Sample, reading: "Reading") -> Image.Image:
    right = sample.text == reading.text
    card = Image.new("RGBA", _CARD_PX)
    draw = ImageDraw.Draw(card)
    outline = (0, 0, _CARD_PX[0] - 1, _CARD_PX[1] - 1)
    draw.rounded_rectangle(outline, _RADIUS_PX, fill=_BACKGROUND, outline=_RIGHT if right else _WRONG, width=_EDGE_PX)
    word = ImageOps.contain(_cut_to_ink(open_grey(sample.image, sample.id)), _IMAGE_PX, Image.Resampling.LANCZOS)
    left = (_CARD_PX[0] - word.width) // 2
    top = _PADDING_PX + (_IMAGE_PX[1] - word.height) // 2
    card.paste(word.convert("RGBA"), (left, top))
    line = _PADDING_PX + _IMAGE_PX[1] + 12
    label_font, label_left = load_label_font(_TEXT_PX - 8), _PADDING_PX + _LABEL_PX
    draw.text((_PADDING_PX, line + 7), "read", font=label_font, fill=_RIGHT if right else _WRONG)
    draw_marked(draw, (label_left, line), sample.text, reading.text, _TEXT_PX, fill=_RIGHT if right else _INK)
    draw.text((_PADDING_PX, line + 47), "truth", font=label_font, fill=_FAINT)
    draw.text((label_left, line + 40), sample.text, font=load_label_font(_TEXT_PX), fill=_FAINT)
    return card


def _cut_to_ink(grey_HxW: np.ndarray) -> Image.Image:
    image = Image.fromarray(grey_HxW)
    ink = ImageChops.invert(image).point(lambda level: 255 if level > 64 else 0).getbbox()
    return image.crop(ink) if ink else image


if __name__ == "__main__":
    sys.exit(run("experiments.readme_picture", main, sys.argv[1:], program=""))
