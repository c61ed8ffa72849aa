"""The layout of a page as PAGE XML of 2019-07-15."""

from collections.abc import Sequence

import numpy as np

from hwr_jax.data.formats.page_text import write_texts
from hwr_jax.data.formats.pages import SOFTWARE, ReadingNote, line_text, now_in_utc
from hwr_jax.data.safe_xml import escape, parse_xml
from hwr_jax.layout.page import Page
from hwr_jax.layout.page_layout import PageLayout

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
_FOUND_BY = f"lines found by {SOFTWARE}"


def write_page_xml(layout: PageLayout, image_name: str, *, found_by: str = "") -> bytes:
    """A PAGE file with regions, lines, baselines and their order, and without texts.

    Points are whole pixels of the image.

    Args:
      layout: of the page.
      image_name: of the image's file, as it lies beside this one.
      found_by: what found the lines, for the comment.

    Raises:
      InputError: a name with characters that XML cannot hold.
    """
    now = now_in_utc()
    comment = f"{_FOUND_BY} {found_by}".strip()
    size = (layout.width_px, layout.height_px)
    references = "".join(
        f'<RegionRefIndexed index="{number}" regionRef="r{number}"/>' for number in range(len(layout.regions))
    )
    order = f'<ReadingOrder><OrderedGroup id="order">{references}</OrderedGroup></ReadingOrder>' if references else ""
    # PAGE: the angle by which the page is to be turned clockwise, between -180 and 180.
    turn = {0: "", 1: ' orientation="-90"', 2: ' orientation="180"', 3: ' orientation="90"'}[layout.quarter_turns % 4]
    rows = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<PcGts xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{NAMESPACE} {NAMESPACE}/pagecontent.xsd">',
        f"  <Metadata><Creator>{SOFTWARE}</Creator><Created>{now}</Created><LastChange>{now}</LastChange>"
        f"<Comments>{escape(comment)}</Comments></Metadata>",
        f'  <Page imageFilename="{escape(image_name)}" imageWidth="{size[0]}" imageHeight="{size[1]}"{turn}>',
        *([f"    {order}"] if order else []),
    ]
    for number, region in enumerate(layout.regions):
        rows += [
            f'    <TextRegion id="r{number}" custom="readingOrder {{index:{number};}}">',
            f'      <Coords points="{_points(region.outline_Nx2, size)}"/>',
        ]
        members = [line for line in layout.lines if line.region == number]
        for place, line in enumerate(members):
            rows += [
                f'      <TextLine id="r{number}l{place}" custom="readingOrder {{index:{place};}}">',
                f'        <Coords points="{_points(line.outline_Nx2, size)}" conf="{line.confidence:.4f}"/>',
                f'        <Baseline points="{_points(line.baseline_Mx2, size)}"/>',
                "      </TextLine>",
            ]
        rows.append("    </TextRegion>")
    return "\n".join([*rows, "  </Page>", "</PcGts>", ""]).encode()


def write_read_page(page: Page, image_name: str, note: ReadingNote) -> bytes:
    """As `write_page_xml`, with the texts of the lines that were read, and words and characters with their places.

    `note` says how they were read. Raises InputError: a text or a name with characters that XML cannot hold.
    """
    lines = [line for inside in page.lines_of_regions for line in inside]
    texts = {
        number: line_text(line.text, line.confidence, line.words)
        for number, line in enumerate(lines)
        if not line.problem
    }
    return write_texts(write_page_xml(page.layout, image_name), image_name, texts, note).xml


def is_found_layout(data: bytes, name: str) -> bool:
    """Whether a file is a layout as `write_page_xml` wrote it, which nobody has changed or put texts into since.

    Raises InputError for what is no XML; `name` is the file's, for messages.
    """
    root = parse_xml(data, name)
    metadata = root.find("Metadata")
    if root.tag != "PcGts" or metadata is None or not metadata.findtext("Comments", "").startswith(_FOUND_BY):
        return False
    is_changed = metadata.findtext("LastChange") != metadata.findtext("Created")
    return not is_changed and root.find(".//TextEquiv") is None


def _points(points_Px2: np.ndarray, size: Sequence[int]) -> str:
    """As PAGE writes points: on the page, none twice in a row, and at least two."""
    whole_Px2 = np.rint(np.clip(points_Px2, 0, np.array(size))).astype(int)
    moved_P = np.concatenate([[True], (np.diff(whole_Px2, axis=0) != 0).any(axis=1)])
    kept_Px2 = whole_Px2[moved_P] if moved_P.sum() > 1 else whole_Px2[:2]
    return " ".join(f"{x},{y}" for x, y in kept_Px2.tolist())
