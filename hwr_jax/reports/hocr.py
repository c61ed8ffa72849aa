"""hOCR files of pages that were read: XHTML with the place of each line and word in its attribute `title`.

The format: hOCR 1.2, Breuel and Baierer, http://kba.github.io/hocr-spec/1.2/.
"""

import math
from collections.abc import Sequence

import numpy as np

from hwr_jax.data.safe_xml import escape
from hwr_jax.layout.page import Box, Line, Page, box_around

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="UTF-8"/>
<title>{title}</title>
<meta name="ocr-system" content="{system}"/>
<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line ocrx_word"/>
<meta name="ocr-number-of-pages" content="{pages}"/>
</head>
<body>
"""


def write_hocr(pages: Sequence[Page], image_names: Sequence[str], system: str) -> bytes:
    """The hOCR file of a document, in UTF-8: areas, lines and words in reading order, with the confidence of each word.

    Args:
      pages, image_names: of the document, and of the file that shows each.
      system: name and version of what has read them.

    Raises:
      InputError: a text or a name holds a character that XML cannot hold.
    """
    title = image_names[0] if image_names else "no page"
    parts = [_HEAD.format(title=escape(title), system=escape(system), pages=len(pages))]
    for number, (page, name) in enumerate(zip(pages, image_names, strict=True), start=1):
        parts.append(_page(page, name, number))
    return "".join([*parts, "</body>\n</html>\n"]).encode()


def _page(page: Page, image_name: str, number: int) -> str:
    whole = (0.0, 0.0, float(page.width_px), float(page.height_px))
    quoted = image_name.replace('"', "'")
    parts = [
        _open("div", "ocr_page", f"page_{number}", f'image "{quoted}"; {_bbox(whole, page)}; ppageno {number - 1}')
    ]
    for index, region in enumerate(page.regions):
        lines = [(place, line) for place, line in enumerate(page.lines, start=1) if line.region == index and line.text]
        if not lines:
            continue
        around, name = _bbox(box_around(region.outline_Nx2), page), f"{number}_{index + 1}"
        parts.append(_open("div", "ocr_carea", f"area_{name}", around) + _open("p", "ocr_par", f"par_{name}", around))
        parts += [_line(line, f"{number}_{place}", page) for place, line in lines]
        parts.append("</p>\n</div>\n")
    return "".join([*parts, "</div>\n"])


def _line(line: Line, name: str, page: Page) -> str:
    about = f"{_bbox(line.box, page)}; {_direction(line)}"
    words = [
        _open("span", "ocrx_word", f"word_{name}_{number}", _word_title(word.box, word.confidence, page))
        + f"{escape(word.text)}</span>"
        for number, word in enumerate(line.words, start=1)
        if word.box is not None
    ]
    # Words that are nowhere in the line stand in it all the same.
    content = " ".join(words) if len(words) == len(line.words) > 0 else escape(line.text)
    return f"{_open('span', 'ocr_line', f'line_{name}', about)}{content}</span>\n"


def _word_title(box: Box, confidence: float, page: Page) -> str:
    return f"{_bbox(box, page)}; x_wconf {100 * confidence:.2f}"


def _direction(line: Line) -> str:
    """The baseline of a level line, from the box's lower left corner; of another its angle, counterclockwise."""
    right, down = (line.baseline_Mx2[-1] - line.baseline_Mx2[0]).tolist()
    if right <= abs(down):
        return f"textangle {-math.degrees(math.atan2(down, right)) % 360:.1f}"
    left, _, _, bottom = map(round, line.box)
    slope, height = np.polyfit(line.baseline_Mx2[:, 0] - left, line.baseline_Mx2[:, 1] - bottom, 1).tolist()
    return f"baseline {slope:.4f} {round(height)}"


def _bbox(box: Box, page: Page) -> str:
    left, right = (min(max(round(x), 0), page.width_px) for x in (box[0], box[2]))
    top, bottom = (min(max(round(y), 0), page.height_px) for y in (box[1], box[3]))
    return f"bbox {left} {top} {right} {bottom}"


def _open(tag: str, kind: str, name: str, title: str) -> str:
    return f'<{tag} class="{kind}" id="{name}" title="{escape(title)}">'
