"""Lines and texts as different tools write them into ALTO and PAGE files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from hwr_jax.data.formats.alto import parse_alto, parse_alto_lines
from hwr_jax.data.formats.page_xml import parse_page, parse_page_lines
from hwr_jax.data.safe_xml import parse_xml
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.strokes import encode_png

SIZE = (240, 160)
PIXELS = np.random.default_rng(0).integers(100, 255, SIZE[::-1], dtype=np.uint8)
# Left, top, right and bottom of two lines, and their baselines' height.
BOXES = ((20, 10, 220, 50), (20, 70, 200, 110))
BASES = (40, 100)


def alto(*lines: str, head: str = "", size: tuple[float, float] = SIZE) -> str:
    page = (
        f'<Page WIDTH="{size[0]}" HEIGHT="{size[1]}"><PrintSpace><TextBlock>{"".join(lines)}</TextBlock></PrintSpace>'
    )
    return f"<alto><Description>{head}</Description><Layout>{page}</Page></Layout></alto>"


def page_xml(region: str, size: tuple[int, int] = SIZE, metadata: str = "") -> str:
    page = f'<Page imageFilename="" imageWidth="{size[0]}" imageHeight="{size[1]}">'
    return f"<PcGts>{metadata}{page}<TextRegion>{region}</TextRegion></Page></PcGts>"


def corners(box: tuple[float, ...], form: str = "g") -> str:
    left, top, right, bottom = (f"{side:{form}}" for side in box)
    return f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}"


def text(content: str, index: str = "", tag: str = "Unicode") -> str:
    attribute = f' index="{index}"' if index else ""
    return f"<TextEquiv{attribute}><{tag}>{content}</{tag}></TextEquiv>"


def page_lines(*contents: str) -> str:
    """A TextLine with Coords for each content."""
    return "".join(
        f'<TextLine id="l{number}"><Coords points="{corners(box)}"/>{content}</TextLine>'
        for number, (box, content) in enumerate(zip(BOXES, contents, strict=True), start=1)
    )


def sides(box: tuple[float, ...], scale: float = 1) -> str:
    left, top, right, bottom = (side * scale for side in box)
    return f'HPOS="{left:.2f}" VPOS="{top:.2f}" WIDTH="{right - left:.2f}" HEIGHT="{bottom - top:.2f}"'


def read(xml: str, root: Path, pixels: np.ndarray = PIXELS, **options: str) -> list[Sample | Skip]:
    """The lines of a page beside its scan."""
    root.mkdir(exist_ok=True)
    (root / "p.xml").write_text(xml, encoding="utf-8")
    (root / "p.png").write_bytes(encode_png(pixels))
    parse = parse_alto_lines if xml.startswith("<alto") else parse_page_lines
    return list(parse(root, workers=1, **options))


def texts_of(outcomes: list[Sample | Skip]) -> list[str]:
    return [outcome.text if isinstance(outcome, Sample) else outcome.reason for outcome in outcomes]


def check_cut_out(outcomes: list[Sample | Skip]) -> None:
    """The boxes, pixel for pixel."""
    for outcome, (left, top, right, bottom) in zip(outcomes, BOXES, strict=True):
        assert isinstance(outcome, Sample), outcome
        np.testing.assert_array_equal(open_grey(outcome.image, ""), PIXELS[top:bottom, left:right])


@pytest.mark.parametrize(
    "lines",
    [
        page_lines(text("one two"), text("three")),
        # Those of the words or their characters, those of the region, and where Aletheia puts plain text.
        page_lines(
            f"<Word>{''.join(f'<Glyph>{text(c)}</Glyph>' for c in 'one')}</Word><Word>{text('two')}</Word>",
            f"<Word>{text('three')}</Word>",
        ),
        page_lines(f"<Word>{text('one')}</Word><Word>{text('two')}</Word>{text('')}", f"<Word>{text('three')}</Word>"),
        page_lines("", "") + text("one two\nthree"),
        page_lines("", text("")) + text("one two\n\nthree\n"),
        page_lines(text("one two"), "") + text("one two\nthree"),
        page_lines(text("one two", tag="PlainText"), text("three", tag="PlainText")),
        page_lines(text("one two"), "<TextEquiv><PlainText>three</PlainText><Unicode/></TextEquiv>"),
        # Of several the first by index, and index 0 before none.
        page_lines(text("no", "1") + text("one two", "0"), text("no") + text("three", "0") + text("no", "2")),
    ],
)
def test_the_texts_of_a_page_file(lines: str, tmp_path: Path) -> None:
    outcomes = read(page_xml(lines), tmp_path)
    assert texts_of(outcomes) == ["one two", "three"]
    check_cut_out(outcomes)


def test_lines_of_a_region_in_their_order(tmp_path: Path) -> None:
    lines = page_lines("", "").replace('id="l1"', 'custom="readingOrder {index:1;}"')
    lines = lines.replace('id="l2"', 'custom="readingOrder {index:0;}"')
    assert texts_of(read(page_xml(lines + text("one\ntwo")), tmp_path)) == ["two", "one"]


@pytest.mark.parametrize("region", [text("one"), text("one\ntwo\nthree")])
def test_a_region_with_another_number_of_lines(region: str, tmp_path: Path) -> None:
    outcomes = read(page_xml(page_lines("", text("two")) + region), tmp_path)
    assert texts_of(outcomes) == ["empty label; its region's text has another number of lines", "two"]


def test_the_index_of_what_a_machine_read(tmp_path: Path) -> None:
    xml = page_xml(page_lines(text("one", "0") + text("ome", "1"), text("tvo", "1")))
    reason = "text of another index (--text_index=1 takes it)"
    assert texts_of(read(xml, tmp_path)) == ["one", reason]
    assert texts_of(read(xml, tmp_path, text_index="1")) == ["ome", "tvo"]
    assert texts_of(read(xml, tmp_path, text_index="2"))[0] == "text of another index (--text_index=0 takes it)"
    with pytest.raises(InputError, match="--text_index=first: must be a number from 0"):
        read(xml, tmp_path, text_index="first")


@pytest.mark.parametrize(
    "places",
    [
        *([f'<Coords points="{corners(box, form)}"/>' for box in BOXES] for form in ("g", ".6e", "+.2E", "08.3f")),
        [
            f'<Word><Coords points="{corners((left, top, left + 90, bottom - 3))}"/></Word>'
            f'<Word><Coords points="{corners((left + 99, top + 2, right, bottom))}"/></Word>'
            for left, top, right, bottom in BOXES
        ],
    ],
)
def test_places_as_xml_writes_numbers_and_those_of_words(places: list[str], tmp_path: Path) -> None:
    lines = "".join(f"<TextLine>{place}{text('a')}</TextLine>" for place in places)
    check_cut_out(read(page_xml(lines), tmp_path))


def test_places_of_strings(tmp_path: Path) -> None:
    lines = []
    for left, top, right, bottom in BOXES:
        first, second = sides((left, top, left + 90, bottom - 3)), sides((left + 99, top + 2, right, bottom))
        lines.append(f'<TextLine><String CONTENT="a" {first}/><SP/><String CONTENT="b" {second}/></TextLine>')
    check_cut_out(read(alto(*lines), tmp_path))


@pytest.mark.parametrize("unit", ["mm10", "inch1200"])
@pytest.mark.parametrize("dpi", [150, 300, 400])
def test_other_units_than_pixels(unit: str, dpi: int, tmp_path: Path) -> None:
    """The size of the page in those units says how large they are; tools round it."""
    scale = {"mm10": 254, "inch1200": 1200}[unit] / dpi
    lines = [f'<TextLine><String CONTENT="a" {sides(box, scale)}/></TextLine>' for box in BOXES]
    head = f"<MeasurementUnit>{unit}</MeasurementUnit>"
    size = (round(SIZE[0] * scale), round(SIZE[1] * scale))
    for outcome, (left, top, right, bottom) in zip(
        read(alto(*lines, head=head, size=size), tmp_path), BOXES, strict=True
    ):
        assert isinstance(outcome, Sample)
        height, width = open_grey(outcome.image, "").shape
        assert abs(width - (right - left)) <= 2
        assert abs(height - (bottom - top)) <= 2
    (skip,) = read(alto(*lines, head=head, size=(0, 0)), tmp_path)
    assert skip == Skip("p", f"coordinates are in {unit}, not in pixels, and the page has no size; convert the file")


def test_a_scan_of_half_the_size(tmp_path: Path) -> None:
    double = [tuple(2 * side for side in box) for box in BOXES]
    lines = "".join(f'<TextLine><Coords points="{corners(box)}"/>{text("a")}</TextLine>' for box in double)
    check_cut_out(read(page_xml(lines, size=(2 * SIZE[0], 2 * SIZE[1])), tmp_path))


@pytest.mark.parametrize("parse", ["alto", "page"])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_baseline_alone(parse: str, backwards: bool, tmp_path: Path) -> None:
    """The ink of each line is in its band, upright, and that of no other."""
    page = np.full(SIZE[::-1], 255, np.uint8)
    for level, (left, top, right, _) in zip(BASES, BOXES, strict=True):
        page[top + 5 : level, left:right] = level
    ends = [(left, right)[:: -1 if backwards else 1] for left, _, right, _ in BOXES]
    if parse == "alto":
        lines = [
            f'<TextLine BASELINE="{first} {level} {last} {level}"><String CONTENT="a"/></TextLine>'
            for (first, last), level in zip(ends, BASES, strict=True)
        ]
        outcomes = read(alto(*lines), tmp_path, page)
    else:
        lines = [
            f'<TextLine><Baseline points="{first},{level} {last},{level}"/>{text("a")}</TextLine>'
            for (first, last), level in zip(ends, BASES, strict=True)
        ]
        outcomes = read(page_xml("".join(lines)), tmp_path, page)
    for outcome, level in zip(outcomes, BASES, strict=True):
        assert isinstance(outcome, Sample)
        grey_HxW = open_grey(outcome.image, "")
        assert set(np.unique(grey_HxW)) == {level, 255}
        rows = np.flatnonzero((grey_HxW == level).all(axis=1))
        assert len(rows) == 25
        assert rows[0] > 5
        assert len(grey_HxW) - rows[-1] > 5


def test_a_baseline_without_another_has_no_band(tmp_path: Path) -> None:
    line = f'<TextLine><Baseline points="20,40 220,40"/>{text("a")}</TextLine>'
    assert texts_of(read(page_xml(line), tmp_path)) == ["line without an outline"]


STRINGS = '<String CONTENT="a"/>{}<String CONTENT="wor"/>{}'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (STRINGS.format("<SP/>", '<HYP CONTENT="-"/>'), "a wor-"),
        (STRINGS.format("<SP/>", '<HYP CONTENT="\u00ad"/>'), "a wor-"),
        (STRINGS.format("", '<HYP CONTENT=""/>'), "a wor-"),
        (STRINGS.format("", "<HYP/>"), "a wor-"),
        (STRINGS.format("", '<HYP CONTENT="\u00ac"/>'), "a wor\u00ac"),
        (STRINGS.format("", '<String CONTENT="x-"/><HYP CONTENT="-"/>'), "a wor x-"),
        (STRINGS.format("", '<String CONTENT="x\u00ad"/>'), "a wor x-"),
        (STRINGS.format("<SP/>", '<String CONTENT=","/><SP/><String CONTENT="b"/><String CONTENT="."/>'), "a wor, b."),
        # A line without any SP: each String is a word, as tools write it that write none.
        (STRINGS.format("", ""), "a wor"),
        ("<SP/>" + STRINGS.format("", "<SP/>"), "a wor"),
    ],
)
def test_words_and_hyphens_of_alto(content: str, expected: str) -> None:
    page = parse_alto(parse_xml(alto(f"<TextLine>{content}</TextLine>").encode(), "x"))
    assert page is not None
    assert [line.text for line in page.lines] == [expected]


def test_a_soft_hyphen_at_the_end_of_a_page_line() -> None:
    page = parse_page(parse_xml(page_xml(page_lines(text("wor\u00ad"), text("a\u00adb"))).encode(), "x"))
    assert page is not None
    assert [line.text for line in page.lines] == ["wor-", "a\u00adb"]


def test_a_file_of_several_pages_is_left_out_with_their_number(tmp_path: Path) -> None:
    lines = [f'<TextLine {sides(box)}><String CONTENT="a"/></TextLine>' for box in BOXES]
    several = alto(*lines).replace("</Layout>", '<Page ID="p2"/><Page ID="p3"/></Layout>')
    assert read(several, tmp_path) == [Skip("p", "file of 3 pages; split it into one file for each page")]


@pytest.mark.parametrize("quarters", range(4))
def test_lines_of_a_turned_page_are_upright(quarters: int, tmp_path: Path) -> None:
    """Baselines run as they read, and drift a little to the wrong side, so that the sign of a run says nothing."""
    width, height = SIZE
    turn = [
        lambda x, y: (x, y),
        lambda x, y: (y, width - x),
        lambda x, y: (width - x, height - y),
        lambda x, y: (height - y, x),
    ][quarters]
    lines = []
    for (left, top, right, bottom), level in zip(BOXES, BASES, strict=True):
        box = ((left, top), (left, bottom), (right, bottom), (right, top))
        outline = " ".join("{:g},{:g}".format(*turn(*corner)) for corner in box)
        ends = ((left, level + 1), (right, level - 1))
        baseline = " ".join("{:g},{:g}".format(*turn(*end)) for end in ends)
        lines.append(f'<TextLine><Coords points="{outline}"/><Baseline points="{baseline}"/>{text("a")}</TextLine>')
    page = np.full(SIZE[::-1], 230, np.uint8)
    page[20:40, 30:60] = 10  # ink at the beginning of the first line, above its baseline
    turned_size = SIZE if quarters % 2 == 0 else SIZE[::-1]
    first, _ = read(page_xml("".join(lines), size=turned_size), tmp_path, np.rot90(page, quarters))
    assert isinstance(first, Sample)
    rows, columns = np.nonzero(open_grey(first.image, "") < 60)
    assert (rows.min(), rows.max()) == pytest.approx((10, 29), abs=2)
    assert (columns.min(), columns.max()) == pytest.approx((10, 39), abs=2)


def test_pages_that_fit_both_readings_of_exif_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    exif = Image.Exif()
    for grey, (name, orientation) in enumerate((("a", 3), ("b", 3), ("c", 1))):
        exif[ExifTags.Base.Orientation] = orientation
        Image.fromarray(PIXELS - np.uint8(grey)).save(tmp_path / f"{name}.png", exif=exif)
        (tmp_path / f"{name}.xml").write_text(page_xml(page_lines(text("one"), text("two"))), encoding="utf-8")
    assert texts_of(list(parse_page_lines(tmp_path, workers=1))) == ["one", "two"] * 3
    (said,) = caplog.messages
    assert said.startswith("a.xml (and 1 other page): EXIF turns the scan, and the page's size fits it both ways; ")


@pytest.mark.parametrize("blank", ["", " ", " \n\t ", "&#160;"])
def test_a_text_of_white_space_is_none(tmp_path: Path, blank: str) -> None:
    """Neither a label, nor in the way of the words' texts, whatever stands there."""
    word = f'<Word id="w"><Coords points="1,1 5,5 1,5"/>{text("one")}</Word>'
    assert texts_of(read(page_xml(page_lines(text(blank), text("two"))), tmp_path)) == ["empty label", "two"]
    assert texts_of(read(page_xml(page_lines(word + text(blank), text("two"))), tmp_path)) == ["one", "two"]
