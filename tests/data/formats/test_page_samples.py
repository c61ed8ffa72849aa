"""Lines of ALTO and PAGE XML pages as samples."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.alto import parse_alto, parse_alto_lines
from hwr_jax.data.formats.page_xml import parse_page, parse_page_lines
from hwr_jax.data.safe_xml import parse_xml
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey

ALTO = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">
  <Description><MeasurementUnit>pixel</MeasurementUnit>
    <sourceImageInformation><fileName>{image}</fileName></sourceImageInformation></Description>
  <Tags><OtherTag ID="T1" LABEL="default"/><OtherTag ID="T2" LABEL="heading"/></Tags>
  <Layout><Page WIDTH="200" HEIGHT="{height}"><PrintSpace><TextBlock>
    <TextLine ID="l1" TAGREFS="T2" HPOS="10" VPOS="10" WIDTH="100" HEIGHT="30" BASELINE="10 35 110 35">
      <Shape><Polygon POINTS="10 10 110 10 110 40 10 40"/></Shape>
      <String CONTENT="one"/><SP/><String CONTENT="e\u0301t"/>
    </TextLine>
    <TextLine ID="l2" TAGREFS="T1" HPOS="20" VPOS="50" WIDTH="80" HEIGHT="20" BASELINE="65">
      <String CONTENT="hyphen"/><HYP CONTENT="-"/></TextLine>
    <TextLine ID="l3"><Shape><Polygon POINTS="1 2 3"/></Shape><String CONTENT="odd"/></TextLine>
    <TextLine ID="l4" HPOS="0" VPOS="0" WIDTH="9" HEIGHT="9"/>
    <TextLine ID="l5" HPOS="900" VPOS="0" WIDTH="9" HEIGHT="9"><String CONTENT="away"/></TextLine>
  </TextBlock></PrintSpace></Page></Layout>
</alto>"""
PAGE = """<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
  <Page imageFilename="{image}" imageWidth="200" imageHeight="{height}"><TextRegion>
    <TextLine id="l1" custom="readingOrder {{index:0;}} structure {{type:heading;}}">
      <Coords points="10,10 110,10 110,40 10,40"/><Baseline points="10,35 110,35"/>
      <Word><TextEquiv><Unicode>not this</Unicode></TextEquiv></Word>
      <TextEquiv index="1"><Unicode>second</Unicode></TextEquiv>
      <TextEquiv index="0"><Unicode>one e\u0301t</Unicode></TextEquiv></TextLine>
    <TextLine id="l2"><Coords><Point x="20" y="50"/><Point x="100" y="50"/><Point x="100" y="70"/><Point x="20" y="70"/>
      </Coords><Word><TextEquiv><Unicode>hyphen-</Unicode></TextEquiv></Word></TextLine>
    <TextLine id="l3"><Coords points="1,2 3"/><TextEquiv><Unicode>odd</Unicode></TextEquiv></TextLine>
    <TextLine id="l4"><Coords points="0,0 9,0 9,9"/></TextLine>
    <TextLine id="l5"><Coords points="900,0 909,0 909,9"/><TextEquiv><Unicode>away</Unicode></TextEquiv></TextLine>
  </TextRegion></Page></PcGts>"""
FORMATS = [(ALTO, parse_alto_lines), (PAGE, parse_page_lines)]
TEXTS = {"l1": "one \u00e9t", "l2": "hyphen-"}
REASONS = {"l3": "line without an outline", "l4": "empty label", "l5": "line: lies outside the page"}


def page_pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(100, 255, (100, 200), dtype=np.uint8)


def png(number: int = 0) -> bytes:
    """The page's scan; each number gives another file of it."""
    buffer = io.BytesIO()
    Image.fromarray(page_pixels()).save(buffer, "PNG", dpi=(72 + number, 72))
    return buffer.getvalue()


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def page_file(template: str, image: str = "scan.png", height: int = 100) -> str:
    return template.replace("{{", "{").replace("}}", "}").replace("{image}", image).replace("{height}", str(height))


def split(outcomes: list[Sample | Skip]) -> tuple[dict[str, Sample], dict[str, str]]:
    samples = {outcome.id: outcome for outcome in outcomes if isinstance(outcome, Sample)}
    return samples, {outcome.id: outcome.reason for outcome in outcomes if isinstance(outcome, Skip)}


@pytest.mark.parametrize(("template", "read"), FORMATS)
def test_lines_with_their_texts(template, read, tmp_path: Path) -> None:
    write(tmp_path, {"p/page.xml": page_file(template), "p/scan.png": png()})
    samples, skips = split(list(read(tmp_path, workers=1)))
    assert {id: (sample.text, sample.writer) for id, sample in samples.items()} == {
        f"p/page/{name}": (text, "p/page") for name, text in TEXTS.items()
    }
    assert skips == {f"p/page/{name}": reason for name, reason in REASONS.items()}
    np.testing.assert_array_equal(open_grey(samples["p/page/l1"].image, "l1"), page_pixels()[10:40, 10:110])
    np.testing.assert_array_equal(open_grey(samples["p/page/l2"].image, "l2"), page_pixels()[50:70, 20:100])


@pytest.mark.parametrize(("template", "read"), FORMATS)
@pytest.mark.parametrize(
    ("named", "files"),
    [
        ("scan.png", {"page.xml", "scan.png"}),
        ("C:\\scans\\scan.png", {"page.xml", "scan.png"}),
        ("", {"page.xml", "page.png"}),
        ("gone.jpg", {"page.xml", "page.PNG"}),
        ("scan.png", {"page/page.xml", "scan.png"}),
        ("sub/scan.png", {"page.xml", "sub/scan.png"}),
        ("../../../scan.png", {"page.xml", "scan.png"}),
    ],
)
def test_the_image_is_named_inside_or_lies_beside(template, read, named: str, files: set[str], tmp_path: Path) -> None:
    write(tmp_path, {name: page_file(template, named) if name.endswith("xml") else png() for name in files})
    assert len(split(list(read(tmp_path, workers=1)))[0]) == 2


@pytest.mark.parametrize(("template", "read"), FORMATS)
def test_an_archive_reads_as_its_folder_and_so_do_several_processes(template, read, tmp_path: Path) -> None:
    files = {f"set/{number}.xml": page_file(template, "") for number in range(3)}
    write(tmp_path, files | {f"set/{number}.png": png(number) for number in range(3)})
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(tmp_path / "set", "set")
    expected = list(read(tmp_path / "set", workers=1))
    assert len(expected) == 15
    assert list(read(tmp_path / "set.tar", workers=2)) == expected
    assert list(read(tmp_path / "set" / "1.xml", workers=1)) == expected[5:10]


@pytest.mark.parametrize(("template", "read"), FORMATS)
def test_lines_are_chosen_by_type_and_text(template, read, tmp_path: Path) -> None:
    write(tmp_path, {"w7_p1.xml": page_file(template), "scan.png": png()})
    samples, skips = split(list(read(tmp_path, workers=1, line_types="heading, other")))
    assert set(samples) == {"w7_p1/l1"}
    assert skips["w7_p1/l2"] == "line type default"
    samples, skips = split(list(read(tmp_path, workers=1, skip_text="^one", writer_pattern=r"w(\d+)_")))
    assert {id: sample.writer for id, sample in samples.items()} == {"w7_p1/l2": "7"}
    assert skips["w7_p1/l1"] == "text matches --skip_text"
    with pytest.raises(InputError, match=r"--skip_text=\(: not a regular expression"):
        list(read(tmp_path, workers=1, skip_text="("))


@pytest.mark.parametrize(("template", "read"), FORMATS)
def test_pages_that_cannot_be_read_are_counted(template, read, tmp_path: Path) -> None:
    other = PAGE if template is ALTO else ALTO
    write(
        tmp_path,
        {
            "cut.xml": page_file(template)[:300],
            "other.xml": page_file(other),
            "lonely.xml": page_file(template, "gone.png"),
            "small.xml": page_file(template, height=99),
            "scan.png": png(),
        },
    )
    samples, skips = split(list(read(tmp_path, workers=1)))
    assert not samples
    assert skips["cut"] == "XML is not well formed"
    assert skips["other"].startswith("not ")
    assert skips["lonely/l1"] == "page image: no such file (it names 'gone.png')"
    assert skips["small/l1"] == "page image: of another size than its XML says"
    with pytest.raises(InputError, match=r"files \(\.xml\) in it"):
        list(read(write(tmp_path / "empty", {"scan.png": png()}), workers=1))


def test_unknown_units_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"page.xml": page_file(ALTO).replace(">pixel<", ">furlong<"), "scan.png": png()})
    (skip,) = parse_alto_lines(tmp_path, workers=1)
    assert skip == Skip("page", "coordinates are in furlong, not in pixels; convert the file")


def test_files_of_another_format_are_none() -> None:
    assert parse_alto(parse_xml(page_file(PAGE).encode(), "x")) is None
    assert parse_page(parse_xml(page_file(ALTO).encode(), "x")) is None
    assert parse_page(parse_xml(b"<PcGts/>", "x")) is None
