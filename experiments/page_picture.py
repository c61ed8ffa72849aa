"""The README's picture of a page: a page of a synthetic writer, its lines as they were found, and the text beside it.

    python -m experiments.page_picture

writes docs/images/page_lines.png. The page is not in the training data; it was chosen for its heading and two columns.
"""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from hwr_jax.commands.options import Parser, run
from hwr_jax.data.drawn_pages import draw_page
from hwr_jax.errors import InputError
from hwr_jax.files import write_bytes
from hwr_jax.ink.label_font import load_label_font
from hwr_jax.messages import count_of

if TYPE_CHECKING:
    from hwr_jax.layout.page import Page

TEXT = (
    "Dear Anna, thank you for the books and the long letter. We have read both twice, and my brother has begun to copy "
    "the drawings of birds. The garden is full of apples this year; if you come in October, bring a basket and good "
    "shoes. The river was high in spring and took the old bridge, so the road goes by the mill now. Mother is well "
    "again and sends you her love. She asks whether the doctor in your street still plays the violin at night. Write "
    "soon, and tell us about the house, the neighbours and the sea. Yours, Clara"
)
SEED = (7, 106)
_MARGIN_PX, _TEXT_PX, _LEADING = 24, 21, 1.5
_REGIONS = ("#2563a8", "#d9730d", "#2b7a3d", "#8a3fa0")
_BACKGROUND, _INK = "#ffffff", "#1c2430"


def main(argv: Sequence[str]) -> int:
    """Writes the picture and says how many lines were found."""
    parser = Parser(prog="python -m experiments.page_picture", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("docs/images/page_lines.png"), metavar="FILE.png", help="where it goes"
    )
    options = parser.parse_args(argv)
    if options.output.suffix != ".png":
        raise InputError(f"--output={options.output}: must end in .png")
    from hwr_jax.line_finder import load_line_finder
    from hwr_jax.routed_reader import load

    drawn = draw_page(TEXT.split(), SEED)
    page = load().read_page(drawn.image_HxW, finder=load_line_finder())
    write_bytes(options.output, draw_picture(drawn.image_HxW, page))
    size_kb = options.output.stat().st_size / 1e3
    found = f"{count_of(page.lines, 'line')} found of {len(drawn.lines)}"
    print(f"{options.output}: {found} in {count_of(page.regions, 'region')}, {size_kb:.0f} kB")
    return 0


def draw_picture(grey_HxW: np.ndarray, page: "Page") -> bytes:
    """A PNG of the page, uint8, with its lines in a colour for each region, and of the text in the same colours."""
    scan = Image.fromarray(grey_HxW).convert("RGB")
    draw = ImageDraw.Draw(scan)
    for line in page.lines:
        shade = _REGIONS[line.region % len(_REGIONS)]
        draw.polygon([tuple(point) for point in line.outline_Nx2.tolist()], outline=shade, width=2)
        draw.line([tuple(point) for point in line.baseline_Mx2.tolist()], fill=shade, width=1)
    font, step = load_label_font(_TEXT_PX), _TEXT_PX * _LEADING
    texts = [(line.text, _REGIONS[line.region % len(_REGIONS)]) for line in page.lines]
    text_width = round(max((font.getlength(text) for text, _ in texts), default=0.0)) + 2 * _MARGIN_PX
    height = max(scan.height, round(step * len(texts)) + 2 * _MARGIN_PX)
    picture = Image.new("RGB", (scan.width + text_width, height), _BACKGROUND)
    picture.paste(scan, (0, (height - scan.height) // 2))
    draw = ImageDraw.Draw(picture)
    for number, (text, shade) in enumerate(texts):
        y = _MARGIN_PX + step * number
        draw.rectangle((scan.width + _MARGIN_PX - 12, y + 4, scan.width + _MARGIN_PX - 8, y + _TEXT_PX + 2), fill=shade)
        draw.text((scan.width + _MARGIN_PX, y), text, font=font, fill=_INK)
    encoded = io.BytesIO()
    picture.quantize(64, method=Image.Quantize.MEDIANCUT).save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


if __name__ == "__main__":
    sys.exit(run("experiments.page_picture", main, sys.argv[1:], program=""))
