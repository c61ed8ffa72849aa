"""Several page files of one scan, and what hwr read has written: no ground truth, or the same lines twice."""

from pathlib import Path

import numpy as np
import pytest

from hwr_jax.data.formats.alto import parse_alto_lines
from hwr_jax.data.formats.page_text import write_texts
from hwr_jax.data.formats.page_xml import parse_page_lines
from hwr_jax.data.formats.pages import LineText, ReadingNote
from hwr_jax.data.sample import Sample
from hwr_jax.errors import InputError
from hwr_jax.ink.strokes import encode_png

NOTE = ReadingNote("2024-05-06T07:08:09Z", "model m, decoder greedy", "1.2")
WRITTEN = "text that hwr read has written (--keep_readings keeps it)"


def alto(content: str = "one", scan: str = "scan.png", head: str = "") -> str:
    named = f"<sourceImageInformation><fileName>{scan}</fileName></sourceImageInformation>" if scan else ""
    description = f"<Description>{head}{named}</Description>" if head or named else ""
    line = f'<TextLine ID="l" HPOS="5" VPOS="5" WIDTH="50" HEIGHT="20"><String CONTENT="{content}"/></TextLine>'
    layout = (
        f'<Layout><Page WIDTH="100" HEIGHT="60"><PrintSpace><TextBlock>{line}</TextBlock></PrintSpace></Page></Layout>'
    )
    return f"<alto>{description}{layout}</alto>"


def page_xml(content: str = "one", scan: str = "scan.png", metadata: str = "") -> str:
    text = f"<TextEquiv><Unicode>{content}</Unicode></TextEquiv>" if content else ""
    line = f'<TextLine id="l"><Coords points="5,5 55,5 55,25 5,25"/>{text}</TextLine>'
    page = f'<Page imageFilename="{scan}" imageWidth="100" imageHeight="60"><TextRegion>{line}</TextRegion></Page>'
    return f"<PcGts>{metadata}{page}</PcGts>"


KINDS = [(alto, parse_alto_lines), (page_xml, parse_page_lines)]
METADATA = "<Metadata><Creator>a</Creator><Created>b</Created><LastChange>c</LastChange>{}</Metadata>"
FILES = [
    (alto, alto(scan="")),
    (alto, alto(head="<MeasurementUnit>pixel</MeasurementUnit>")),
    (page_xml, page_xml()),
    (page_xml, page_xml(metadata=METADATA.format(""))),
    (page_xml, page_xml(metadata=METADATA.format("<Comments>mine &amp; yours</Comments>"))),
]


def scan_of(name: str, same: str = "") -> bytes:
    """A scan for each name; the same for all whose name has `same` in it."""
    grey = len(same) if same and same in name else sum(name.encode()) % 200 + 20
    return encode_png(np.full((60, 100), grey, np.uint8))


def read(root: Path, files: dict[str, str], parse, same: str = "", **options) -> tuple[dict[str, str], dict[str, str]]:
    """id -> text of the samples, and id -> reason of the skips."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(scan_of(name, same) if name.endswith(".png") else content.encode())
    outcomes = list(parse(root, workers=1, **options))
    samples = {outcome.id: outcome.text for outcome in outcomes if isinstance(outcome, Sample)}
    return samples, {outcome.id: outcome.reason for outcome in outcomes if not isinstance(outcome, Sample)}


@pytest.mark.parametrize(("kind", "xml"), FILES)
@pytest.mark.parametrize("end", ["", "\n"])
def test_what_was_read_is_no_ground_truth_unless_asked_for(kind, xml: str, end: str, tmp_path: Path) -> None:
    parse = dict(KINDS)[kind]
    xml = xml.replace("><", f">{end}<")
    assert read(tmp_path, {"scan.png": "", "p.xml": xml.replace("scan.png", "p.png"), "p.png": ""}, parse)[0]
    written = write_texts(xml.encode(), "p.xml", {0: LineText("ome", 0.5)}, NOTE).xml.decode()
    again = write_texts(written.encode(), "p.xml", {0: LineText("ane", 0.5)}, NOTE).xml.decode()
    for content, text in ((written, "ome"), (again, "ane")):
        root = tmp_path / text
        samples, skips = read(root, {"read.xml": content, "read.png": "", "scan.png": ""}, parse)
        assert (samples, skips) == ({}, {"read": WRITTEN})
        samples, skips = read(root, {}, parse, keep_readings=True)
        assert (samples, skips) == ({"read/l": text}, {})
    if "Comments" in xml:
        assert "mine &amp; yours\ntext lines read by hwr_jax 1.2 on 2024-05-06T07:08:09Z, model m" in written


@pytest.mark.parametrize(("make", "parse"), KINDS)
def test_a_page_and_what_was_read_of_it(make, parse, tmp_path: Path) -> None:
    mine = make()
    written = write_texts(mine.encode(), "p.xml", {0: LineText("ome", 0.5)}, NOTE).xml.decode()
    for folder, names in (("x", "read/p.xml"), ("y", "p.read.xml"), ("z", "other/deep/p.xml")):
        samples, skips = read(tmp_path / folder, {"scan.png": "", "p.xml": mine, names: written}, parse)
        assert samples == {"p/l": "one"}
        assert list(skips.values()) == [WRITTEN]


@pytest.mark.parametrize(("make", "parse"), KINDS)
def test_the_only_file_with_texts_or_the_namesake_of_the_scan_is_used(make, parse, tmp_path: Path) -> None:
    scan = {"p1.png": "", "p2.png": "", "p3.png": ""}
    files = {
        "p1.xml": make("one", "p1.png"),
        "p1.normal.xml": make("One", "p1.png"),
        "1 segments/p2.xml": make("", "p2.png"),
        "2 texts/p2.xml": make("two", "p2.png"),
        "3 words/p2.xml": make("", "p2.png"),
        "a/p3.xml": make("three", "p3.png"),
        "b/p3.xml": make("three", "p3.png"),
    }
    samples, skips = read(tmp_path, scan | files, parse)
    assert samples == {"p1/l": "one", "2 texts/p2/l": "two", "a/p3/l": "three"}
    assert skips == {
        "p1.normal": "another XML file of its scan is used (p1.xml)",
        "1 segments/p2": "another XML file of its scan is used (2 texts/p2.xml)",
        "3 words/p2": "another XML file of its scan is used (2 texts/p2.xml)",
        "b/p3": "another XML file of its scan is used (a/p3.xml)",
    }


@pytest.mark.parametrize(("make", "parse"), KINDS)
def test_what_cannot_be_told_is_asked_and_a_folder_can_be_given(make, parse, tmp_path: Path) -> None:
    """As OCR-D keeps the steps of a workflow."""
    files = {
        "OCR-D-IMG/p1.png": "",
        "OCR-D-GT/p1.xml": make("one", "OCR-D-IMG/p1.png"),
        "OCR-D-OCR/p1.xml": make("ome", "OCR-D-IMG/p1.png"),
    }
    with pytest.raises(InputError) as raised:
        read(tmp_path, files, parse)
    assert str(raised.value) == (
        "OCR-D-GT/p1.xml and OCR-D-OCR/p1.xml have different texts for one scan, p1.png; keep the one with the ground "
        "truth, or give its folder as --source"
    )
    assert read(tmp_path / "OCR-D-GT", {}, parse) == ({"p1/l": "one"}, {})


@pytest.mark.parametrize(("make", "parse"), KINDS)
def test_pages_of_one_name_with_a_scan_each_are_two(make, parse, tmp_path: Path) -> None:
    files = {f"{folder}/{name}": content for folder, content in (("a", make("one")), ("b", make("two")))
             for name in ("p.xml", "scan.png")}  # fmt: skip
    assert read(tmp_path, files, parse) == ({"a/p/l": "one", "b/p/l": "two"}, {})


def test_files_of_two_formats_are_each_their_own(tmp_path: Path) -> None:
    files = {"scan.png": "", "p.alto.xml": alto(), "p.xml": page_xml("two")}
    assert read(tmp_path, files, parse_alto_lines)[0] == {"p.alto/l": "one"}
    assert read(tmp_path, files, parse_page_lines) == ({"p/l": "two"}, {"p.alto": "not PAGE XML"})


@pytest.mark.parametrize(("kind", "parse"), KINDS)
@pytest.mark.parametrize("copy", ["p.bin", "backup/p", "x"])
def test_copies_of_a_scan_are_one_scan(tmp_path: Path, kind, parse, copy: str) -> None:
    """Each beside a page file of its own: else the same pixels may be in training and in test."""
    scan = f"{copy.rpartition('/')[2]}.png"
    files = {"p.xml": kind(scan="p.png"), "p.png": "", f"{copy}.xml": kind(scan=scan), f"{copy}.png": ""}
    samples, skips = read(tmp_path, files, parse, same=".png")
    assert list(samples.values()) == ["one"]
    assert [reason.partition(" (")[0] for reason in skips.values()] == ["another XML file of its scan is used"]
    with pytest.raises(InputError, match="have different texts for one scan"):
        read(tmp_path, {f"{copy}.xml": kind("two", scan=scan)}, parse)
    apart, skips = read(tmp_path, files, parse)
    assert (len(apart), skips) == (2, {})
