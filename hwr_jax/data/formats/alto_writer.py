"""ALTO files (version 4) of pages that were read: regions, lines, words, and how sure each is."""

from collections.abc import Iterable

import numpy as np

from hwr_jax.data.formats.page_text import write_texts
from hwr_jax.data.formats.pages import ReadingNote, line_text
from hwr_jax.data.safe_xml import escape
from hwr_jax.layout.page import Line, Page, box_around

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.loc.gov/standards/alto/ns-v4# http://www.loc.gov/standards/alto/v4/alto-4-4.xsd" \
SCHEMAVERSION="4.4">
  <Description>
    <MeasurementUnit>pixel</MeasurementUnit>
    <sourceImageInformation>
      <fileName>{image_name}</fileName>
    </sourceImageInformation>
  </Description>
  <Layout>
"""


def write_alto(page: Page, image_name: str, note: ReadingNote, number: int = 1) -> bytes:
    """The ALTO file of a page, in UTF-8: blocks and lines in reading order, a String for each word.

    A line that could not be read has a String without content, as ALTO's schema asks for one.

    Args:
      image_name: of the file that shows the page.
      note: how the lines were read.
      number: of the page in its document, from 1.

    Raises:
      InputError: a text or a name holds a character that XML cannot hold.
    """
    rows = [_HEAD.format(image_name=escape(image_name))]
    rotation = f' ROTATION="{90 * page.quarter_turns % 360}"' if page.quarter_turns % 4 else ""
    size = f'WIDTH="{page.width_px}" HEIGHT="{page.height_px}"'
    rows.append(f'    <Page ID="page_{number}" PHYSICAL_IMG_NR="{number}" {size}{rotation}>\n')
    rows.append(f'      <PrintSpace HPOS="0" VPOS="0" {size}>\n')
    lines: list[Line] = []
    for index, (region, inside) in enumerate(zip(page.regions, page.lines_of_regions, strict=True), start=1):
        rows.append(f'        <TextBlock ID="region_{index}" {_box(region.outline_Nx2)}>\n')
        rows.append(f"          {_shape(region.outline_Nx2)}\n")
        for line in inside:
            lines.append(line)
            baseline = f'BASELINE="{_points(line.baseline_Mx2)}"'
            rows.append(f'          <TextLine ID="line_{len(lines)}" {_box(line.outline_Nx2)} {baseline}>\n')
            rows.append(f"            {_shape(line.outline_Nx2)}\n          </TextLine>\n")
        rows.append("        </TextBlock>\n")
    rows.append("      </PrintSpace>\n    </Page>\n  </Layout>\n</alto>\n")
    texts = {place: line_text(line.text, line.confidence, line.words) for place, line in enumerate(lines)}
    return write_texts("".join(rows).encode(), image_name, texts, note).xml


def _box(points_Nx2: np.ndarray) -> str:
    left, top, right, bottom = map(round, box_around(points_Nx2))
    return f'HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"'


def _shape(points_Nx2: np.ndarray) -> str:
    return f'<Shape><Polygon POINTS="{_points(points_Nx2)}"/></Shape>'


def _points(points_Nx2: np.ndarray) -> str:
    return " ".join(f"{x},{y}" for x, y in _rounded(points_Nx2))


def _rounded(points_Nx2: np.ndarray) -> Iterable[tuple[int, int]]:
    return ((round(x), round(y)) for x, y in points_Nx2.tolist())
