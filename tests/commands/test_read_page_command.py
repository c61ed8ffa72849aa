"""`hwr read --page` end to end, with a tiny model."""

import json
import shutil
import tarfile
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import hwr_jax
from hwr_jax.commands import read
from hwr_jax.commands.main import main as hwr
from hwr_jax.data.formats.alto import parse_alto_lines
from hwr_jax.data.formats.page_text import parse_page_file
from hwr_jax.data.formats.page_xml import parse_page_lines
from hwr_jax.data.safe_xml import parse_xml
from hwr_jax.data.sample import Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.line import straighten_line
from hwr_jax.reader import Alternative, CharacterBox, Piece, Reading

ALTO = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">
  <Description><MeasurementUnit>pixel</MeasurementUnit>
    <sourceImageInformation><fileName>scan.png</fileName></sourceImageInformation></Description>
  <Layout><Page ID="p" PHYSICAL_IMG_NR="0" WIDTH="400" HEIGHT="200"><PrintSpace>
    <TextBlock ID="b1">
      <TextLine ID="l1" HPOS="10" VPOS="10" WIDTH="300" HEIGHT="40"><String CONTENT="old text"/></TextLine>
      <TextLine ID="l2" HPOS="10" VPOS="60" WIDTH="300" HEIGHT="40"/>
    </TextBlock>
    <TextBlock ID="b2"><TextLine ID="l3" HPOS="10" VPOS="110" WIDTH="300" HEIGHT="40"/></TextBlock>
  </PrintSpace></Page></Layout>
</alto>"""
PAGE = """<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
  <Metadata><Creator>me</Creator><Created>2020-01-01T00:00:00</Created><LastChange>2020-01-01T00:00:00</LastChange>
  </Metadata>
  <Page imageFilename="scan.png" imageWidth="400" imageHeight="200">
    <TextRegion id="r1"><Coords points="0,0 9,0 9,9"/>
      <TextLine id="l1"><Coords points="10,10 310,10 310,50 10,50"/>
        <Word id="w"><Coords points="0,0 9,0 9,9"/></Word><Word id="x"><Coords points="0,0 9,0 9,9"/></Word>
        <Word id="y"><Coords points="0,0 9,0 9,9"/></Word>
        <TextEquiv><Unicode>old text of</Unicode></TextEquiv></TextLine>
      <TextLine id="l2"><Coords points="10,60 310,60 310,100 10,100"/></TextLine></TextRegion>
    <TextRegion id="r2"><Coords points="0,0 9,0 9,9"/>
      <TextLine id="l3"><Coords points="10,110 310,110 310,150 10,150"/></TextLine></TextRegion>
  </Page></PcGts>"""
# Lines without a place, or with one outside the page.
BAD_ALTO = ALTO.replace(' HPOS="10" VPOS="60"', "").replace('VPOS="110"', 'VPOS="500"')
BAD_PAGE = PAGE.replace("10,60 310", "10 310").replace(",110", ",500").replace(",150", ",540")
NAMES = ("l1", "l2", "l3")


def draw_page(path: Path) -> Path:
    image = Image.new("L", (400, 200), 255)
    for top, text in ((12, "one two"), (62, "three"), (112, "four five")):
        ImageDraw.Draw(image).text((20, top), text, font=ImageFont.load_default(28), fill=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """alto.xml and page.xml of one scan."""
    draw_page(tmp_path / "in" / "scan.png")
    (tmp_path / "in" / "alto.xml").write_text(ALTO)
    (tmp_path / "in" / "page.xml").write_text(PAGE)
    return tmp_path / "in"


def expected(model_folder: Path, xml: Path, scan: Path) -> list[str]:
    """What the model says of the lines, cut out by hand."""
    page_HxW = open_grey(scan, "scan")
    lines = parse_page_file(xml.read_bytes(), "x").lines
    crops = [straighten_line(page_HxW, line.outline, line.baseline) for line in lines]
    return [found.text for found in hwr_jax.load(model_folder).read(crops)]


@pytest.mark.parametrize("name", ["alto", "page"])
def test_lines_are_printed_and_written(model_folder, folder, tmp_path, name, capsys):
    path = folder / f"{name}.xml"
    assert read.main(["--page", f"--model={model_folder}", f"--output={tmp_path / 'read'}", str(path)]) == 0
    captured = capsys.readouterr()
    rows = [line.split("\t") for line in captured.out.splitlines()]
    texts = expected(model_folder, path, folder / "scan.png")
    assert [row[0] for row in rows] == [f"{folder / name}/{line}" for line in NAMES]
    assert [row[1] for row in rows] == texts
    assert all(0 <= float(row[2]) <= 1 for row in rows)
    written = tmp_path / "read" / f"{name}.xml"
    single = [" ".join(text.split()) for text in texts]
    assert [line.text for line in parse_page_file(written.read_bytes(), "x").lines] == single
    assert (tmp_path / "read" / f"{name}.txt").read_text() == "{}\n{}\n\n{}\n".format(*single)
    (message,) = captured.err.splitlines()
    assert f"3 of 3 lines read, written to {written} and {name}.txt" in message
    assert ("3 Word" in message) == (name == "page" and len(single[0].split()) != 3)
    root = parse_xml(written.read_bytes(), "x")
    for line, row in zip(root.iter("TextLine"), rows, strict=True):
        # A word is right where all of its line is, a character where its word is.
        sure = float(row[2])
        if name == "page":
            assert line.find("TextEquiv").get("conf") == row[2]
            assert [word.findtext("TextEquiv/Unicode") for word in line.iterfind("Word")] == row[1].split()
            for word in line.iterfind("Word"):
                of_word = float(word.find("TextEquiv").get("conf"))
                of_glyphs = [float(glyph.find("TextEquiv").get("conf")) for glyph in word.iterfind("Glyph")]
                assert len(of_glyphs) == len(word.findtext("TextEquiv/Unicode"))
                assert sure <= of_word <= min(of_glyphs) <= 1
        else:
            for word in line.iterfind("String"):
                assert sure <= float(word.get("WC")) <= 1
                assert word.get("CC", "").split() == [d for d in word.get("CC", "") if d in "0123456789"]
                assert len(word.get("CC", "").split()) == len(word.get("CONTENT"))


@pytest.mark.parametrize("name", ["alto", "page"])
def test_nothing_is_written_unless_asked_for_and_what_is_written_is_no_ground_truth(model_folder, folder, name, capsys):
    path = folder / f"{name}.xml"
    parse = {"alto": parse_alto_lines, "page": parse_page_lines}[name]
    before = sorted(folder.rglob("*")), list(parse(folder, workers=1))
    assert read.main(["--page", f"--model={model_folder}", str(path)]) == 0
    captured = capsys.readouterr()
    assert [line.split("\t")[0] for line in captured.out.splitlines()] == [f"{folder / name}/{line}" for line in NAMES]
    assert captured.err == f"hwr read: {path}: 3 of 3 lines read; --output=DIR writes them into a copy of the file\n"
    assert sorted(folder.rglob("*")) == before[0]
    assert read.main(["--page", f"--model={model_folder}", f"--output={folder / 'read'}", str(path)]) == 0
    *after, skip = parse(folder, workers=1)
    assert after == before[1]
    assert skip == Skip(f"read/{name}", "text that hwr read has written (--keep_readings keeps it)")


def test_words_of_alto_lie_in_their_line(model_folder, folder, tmp_path):
    flags = ["--page", f"--model={model_folder}", f"--output={tmp_path}"]
    assert read.main([*flags, str(folder / "alto.xml")]) == 0
    root = parse_xml((tmp_path / "alto.xml").read_bytes(), "x")
    for line, top in zip(root.iter("TextLine"), (10, 60, 110), strict=True):
        strings = [string for string in line.iterfind("String") if string.get("HPOS")]
        for string in strings:
            left, width = float(string.get("HPOS", "")), float(string.get("WIDTH", ""))
            assert 10 <= left <= left + width <= 310
            assert float(string.get("VPOS", "")) == top
    assert any(string.get("HPOS") for string in root.iter("String"))
    assert root.findtext("Description/Processing/processingStepSettings") == "model tiny, decoder greedy"
    # On a scan of half the size they are where they were, in the units of the file.
    with Image.open(folder / "scan.png") as scan:
        scan.resize((200, 100)).save(folder / "scan.png")
    assert read.main([*flags, str(folder / "alto.xml")]) == 0
    half = parse_xml((tmp_path / "alto.xml").read_bytes(), "x")
    for line, top in zip(half.iter("TextLine"), (10, 60, 110), strict=True):
        for string in line.iterfind("String"):
            assert float(string.get("VPOS", top)) == top
            assert float(string.get("HEIGHT", 40)) == 40


def test_what_is_no_page_file_is_told_what_to_do(model_folder, folder, capsys):
    scan, document = folder / "scan.png", folder / "scan.pdf"
    document.write_bytes(b"%PDF-1.4\n1 0 obj\n<<")
    assert read.main(["--page", f"--model={model_folder}", str(scan), str(document), str(folder)]) == 1
    what_to_do = (
        "--page takes the ALTO or PAGE XML file of a page, which says where its lines are (an image of one word or "
        "line is read without --page)"
    )
    assert capsys.readouterr().err.splitlines() == [
        f"hwr read: {scan}: an image; {what_to_do}",
        f"hwr read: {document}: not an XML file; {what_to_do}",
        f"hwr read: {folder}: a folder; give the page files in it, such as {folder}/*.xml",
    ]
    (folder / "wide.xml").write_bytes(ALTO.replace("UTF-8", "UTF-16").encode("utf-16"))
    assert read.main(["--page", f"--model={model_folder}", str(folder / "wide.xml")]) == 0


def test_json_and_several_texts(model_folder, folder, capsys):
    beam = ["--decoder=beam", "--beam_width=6", "--n_best=2"]
    pages = [str(folder / "alto.xml"), str(folder / "page.xml")]
    assert read.main(["--page", "--json", *beam, f"--model={model_folder}", *pages]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["page"], row["line"]) for row in rows] == [(page, name) for page in pages for name in NAMES]
    names = {"page", "line", "text", "confidence", "words", "characters", "n_best"}
    assert all(set(row) == names for row in rows)
    assert [row["text"] for row in rows[:3]] == [row["text"] for row in rows[3:]]
    assert read.main(["--page", *beam, f"--model={model_folder}", pages[0]]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[1] for line in lines] == [found["text"] for row in rows[:3] for found in row["n_best"]]


@pytest.mark.parametrize(("name", "content"), [("alto", BAD_ALTO), ("page", BAD_PAGE)])
def test_lines_that_cannot_be_read_stay_and_are_told(model_folder, folder, name, content, capsys):
    path = folder / f"{name}.xml"
    path.write_text(content)
    assert read.main(["--page", f"--model={model_folder}", f"--output={folder / 'read'}", str(path)]) == 1
    captured = capsys.readouterr()
    assert [line.split("\t")[0] for line in captured.out.splitlines()] == [f"{folder / name}/l1"]
    assert captured.err.splitlines()[:2] == [
        f"hwr read: {path}: line l2: has no outline that can be read",
        f"hwr read: {path}: line l3: lies outside the page",
    ]
    assert "1 of 3 lines read" in captured.err.splitlines()[2]
    text = captured.out.split("\t")[1]
    assert parse_page_file((folder / "read" / path.name).read_bytes(), "x").lines[0].text == text
    assert (folder / "read" / f"{name}.txt").read_text() == f"{text}\n"


def test_pages_that_cannot_be_read_are_told_and_the_rest_goes_on(model_folder, folder, capsys):
    wrong = {
        "other.xml": ("<html/>", "neither ALTO nor PAGE XML"),
        "cut.xml": (ALTO[:200], "XML is not well formed"),
        "none.xml": ("<alto><Layout><Page/></Layout></alto>", "page without lines"),
        "lost.xml": (ALTO.replace("scan.png", "lost.png"), "page image: no such file (it names 'lost.png')"),
        "size.xml": (ALTO.replace('"400"', '"500"'), "page image: of another size than its XML says (400 x 200 px"),
        "away.xml": (ALTO.replace('HPOS="10"', 'HPOS="999"'), "no line could be read; nothing is written"),
    }
    for name, (content, _) in wrong.items():
        (folder / name).write_text(content)
    pages = [str(folder / name) for name in (*wrong, "gone.xml", "alto.xml")]
    assert read.main(["--page", f"--model={model_folder}", f"--output={folder / 'read'}", *pages]) == 1
    captured = capsys.readouterr()
    assert [line.split("\t")[0] for line in captured.out.splitlines()] == [
        f"{folder / 'alto'}/{line}" for line in NAMES
    ]
    for name, (_, message) in (wrong | {"gone.xml": ("", "cannot be read (No such file or directory)")}).items():
        assert f"hwr read: {folder / name}: {message}" in captured.err
    assert sorted(path.name for path in (folder / "read").iterdir()) == ["alto.txt", "alto.xml"]


def test_the_scan_lies_above_or_anywhere(model_folder, tmp_path, capsys):
    draw_page(tmp_path / "set" / "scan.png")
    page = tmp_path / "set" / "page" / "one.xml"
    page.parent.mkdir()
    page.write_text(PAGE)
    assert read.main(["--page", f"--model={model_folder}", str(page)]) == 0
    first = capsys.readouterr().out
    scan = tmp_path / "elsewhere.png"
    shutil.move(tmp_path / "set" / "scan.png", scan)
    flags = ["--page", f"--model={model_folder}", f"--output={tmp_path / 'out'}"]
    assert read.main([*flags, f"--image={scan}", str(page)]) == 0
    assert capsys.readouterr().out == first
    assert (tmp_path / "out" / "one.xml").exists()
    assert read.main([*flags, f"--image={tmp_path / 'gone.png'}", str(page)]) == 1
    assert "page image: no such file" in capsys.readouterr().err


def test_a_crop_that_the_model_refuses_costs_only_itself(model_folder, folder, capsys, monkeypatch):
    thin = ALTO.replace('VPOS="60" WIDTH="300" HEIGHT="40"', 'VPOS="60" WIDTH="300" HEIGHT="1"')
    (folder / "alto.xml").write_text(thin)
    original = hwr_jax.reader.preprocess

    def picky(grey_HxW, preprocessing):
        if grey_HxW.shape[0] < 5:
            raise InputError("too thin")
        return original(grey_HxW, preprocessing)

    monkeypatch.setattr(hwr_jax.reader, "preprocess", picky)
    assert read.main(["--page", f"--model={model_folder}", str(folder / "alto.xml")]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert f"{folder / 'alto.xml'}: line l2: too thin" in captured.err


def spot(left: int, width: int) -> dict[str, str]:
    return {"HPOS": f"{left}", "VPOS": "10", "WIDTH": f"{width}", "HEIGHT": "40"}


def describe(element: Element) -> tuple[str | None, ...]:
    """ID, place, text and confidence of a Word or Glyph of PAGE XML."""
    reading = element.find("TextEquiv")
    return element.get("id"), element.find("Coords").get("points"), reading.findtext("Unicode"), reading.get("conf")


def test_where_words_are_and_texts_that_no_file_can_hold(model_folder, folder, capsys, monkeypatch):
    def boxes(text: str, places: list[float | None]) -> tuple[CharacterBox, ...]:
        return tuple(map(CharacterBox, text, places[:-1], places[1:]))

    def found(text: str, *places: float | None, words: tuple[float, ...] = (), sure: tuple[float, ...] = ()) -> Reading:
        of_words = tuple(map(Piece, text.split(), words))
        return Reading(
            text, 0.25, (Alternative(text, 0.25),), boxes(text, list(places)), of_words, tuple(map(Piece, text, sure))
        )

    readings = [
        found(" ab  c", 0.0, 9.0, 20.0, 31.5, 40.0, 60.0, 70.0, words=(0.5, 0.75), sure=(0.3, 1.0, 0.5, 0.3, 0.3, 0.8)),
        found("d e", None, None, None, None),
        Reading("", 0.0, problem="no"),
    ]
    monkeypatch.setattr(hwr_jax.reader.Reader, "read", lambda *_, **__: readings)
    flags = ["--page", f"--model={model_folder}", f"--output={folder / 'read'}", str(folder / "alto.xml")]
    assert read.main(flags) == 1
    captured = capsys.readouterr()
    assert "line l3: no" in captured.err
    root = parse_xml((folder / "read" / "alto.xml").read_bytes(), "x")
    rows = [[(part.tag, dict(part.attrib)) for part in line] for line in root.iter("TextLine")]
    assert rows[0] == [
        ("String", spot(19, 23) | {"WC": "0.5000", "CC": "0 4", "CONTENT": "ab"}),
        ("SP", {"HPOS": "42", "VPOS": "10", "WIDTH": "28"}),
        ("String", spot(70, 10) | {"WC": "0.7500", "CC": "2", "CONTENT": "c"}),
    ]
    assert rows[1] == [
        ("String", {"WC": "0.2500", "CONTENT": "d"}),
        ("SP", {}),
        ("String", {"WC": "0.2500", "CONTENT": "e"}),
    ]
    assert rows[2] == []
    assert (folder / "read" / "alto.txt").read_text() == "ab c\nd e\n"
    page = [*flags[:-1], str(folder / "page.xml")]
    assert read.main(page) == 1
    assert "taken out, as they described the old text: 3 Word" in capsys.readouterr().err
    lines = list(parse_xml((folder / "read" / "page.xml").read_bytes(), "x").iter("TextLine"))
    assert [describe(word) for word in lines[0].iterfind("Word")] == [
        ("l1_w1", "19,10 42,10 42,50 19,50", "ab", "0.5000"),
        ("l1_w2", "70,10 80,10 80,50 70,50", "c", "0.7500"),
    ]
    assert [describe(glyph) for glyph in lines[0].iterfind("Word/Glyph")] == [
        ("l1_w1_g1", "19,10 30,10 30,50 19,50", "a", "1.0000"),
        ("l1_w1_g2", "30,10 42,10 42,50 30,50", "b", "0.5000"),
        ("l1_w2_g1", "70,10 80,10 80,50 70,50", "c", "0.8000"),
    ]
    assert [line.find("TextEquiv").get("conf") for line in lines[:2]] == ["0.2500"] * 2
    assert lines[1].find("Word") is None  # Nobody knows where they are.
    readings[1] = found("\a", 0.0, 1.0)
    assert read.main(flags) == 1
    assert "line l2: text with U+0007, which XML cannot hold" in capsys.readouterr().err


def test_flags_and_files_that_do_not_go_together(model_folder, folder, tmp_path):
    alto, page = str(folder / "alto.xml"), str(folder / "page.xml")
    shutil.copy(alto, tmp_path / "alto.xml")
    (tmp_path / "file").write_text("")
    for arguments, message in (
        (["--output=x", "a.png"], "--output=x: give --format, too; or --page, if these are page files"),
        (["--image=x", "a.png"], "--image: has no effect without --page"),
        (["--page", "--boxes", alto], "--boxes: not with --page"),
        (["--page", "--boxes_dir=x", alto], "--boxes_dir: not with --page"),
        (["--page", "--image=x.png", alto, page], "is for one page, and here are 2"),
        (["--page", f"--output={folder}", alto], "would be written over a file that is read"),
        (["--page", f"--output={tmp_path / 'file'}", alto], "is a file; give a folder"),
        (["--page", "--output=out", alto, str(tmp_path / "alto.xml")], "would both be written to .*alto"),
    ):
        with pytest.raises(InputError, match=message):
            read.main([f"--model={model_folder}", *arguments])
    assert hwr(["read", "--page"]) == 1


def test_a_real_page(model_folder, real_data, tmp_path, capsys):
    source = real_data / "copiste.tar"
    if not source.exists():
        pytest.skip("no copiste.tar among the real data")
    with tarfile.open(source) as archive:
        for member in archive:
            if Path(member.name).stem == "imp_wikitexte_0219":
                file = archive.extractfile(member)
                assert file is not None
                (tmp_path / Path(member.name).name).write_bytes(file.read())
    path = tmp_path / "imp_wikitexte_0219.xml"
    assert read.main(["--page", f"--model={model_folder}", f"--output={tmp_path / 'read'}", str(path)]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    before = parse_page_file(path.read_bytes(), "x")
    after = parse_page_file((tmp_path / "read" / path.name).read_bytes(), "x")
    assert [line.text for line in after.lines] == [" ".join(row[1].split()) for row in rows]
    assert len(rows) == len(before.lines) == 21
    for old, new in zip(before.lines, after.lines, strict=True):
        assert (old.name, old.kind) == (new.name, new.kind)
        np.testing.assert_array_equal(old.outline, new.outline)
        np.testing.assert_array_equal(old.baseline, new.baseline)
