"""Documents of many pages, page by page."""

import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hwr_jax.errors import InputError
from hwr_jax.ink.documents import open_pages


def draw(number: int, mode: str = "L", size: tuple[int, int] = (60, 40)) -> Image.Image:
    image = Image.new(mode, size, "white")
    ImageDraw.Draw(image).rectangle((5 + number, 5, 15 + number, 30), fill="black")
    return image


def encode(image: Image.Image, kind: str, **values) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, kind, **values)
    return encoded.getvalue()


def tiff(count: int, **values) -> bytes:
    first, *others = (draw(number) for number in range(count))
    return encode(first, "TIFF", save_all=True, append_images=others, **values)


def pdf(count: int, **values) -> bytes:
    first, *others = (draw(number) for number in range(count))
    return encode(first, "PDF", save_all=True, append_images=others, resolution=72.0, **values)


def test_all_pages_of_a_tiff_in_order():
    pages = list(open_pages(tiff(3, dpi=(200, 200)), "x.tif"))
    assert [(page.number, page.pages, page.problem, page.jpeg) for page in pages] == [
        (number, 3, None, None) for number in (1, 2, 3)
    ]
    assert {page.dpi for page in pages} == {200.0}
    for number, page in enumerate(pages):
        np.testing.assert_array_equal(page.grey_HxW, np.asarray(draw(number)))


def test_a_tiff_of_one_page_and_other_images_are_documents_of_one_page(tmp_path):
    for kind in ("TIFF", "PNG", "BMP", "WEBP"):
        path = tmp_path / f"x.{kind}"
        path.write_bytes(encode(draw(1), kind, **({"lossless": True} if kind == "WEBP" else {})))
        (page,) = open_pages(path, "x")
        assert (page.number, page.pages, page.jpeg, page.dpi) == (1, 1, None, None)
        np.testing.assert_array_equal(page.grey_HxW, np.asarray(draw(1)))


def test_a_broken_page_amid_good_ones_is_a_problem_alone():
    whole = encode(draw(0), "TIFF", save_all=True, append_images=[draw(1), draw(2)], compression="tiff_deflate")
    # The data of the second page lie between the others.
    frames = []
    with Image.open(io.BytesIO(whole)) as image:
        for frame in range(3):
            image.seek(frame)
            frames.append((image.tag_v2[273][0], image.tag_v2[279][0]))
    start, length = frames[1]
    broken = whole[:start] + b"\xff" * length + whole[start + length :]
    first, second, third = open_pages(broken, "x.tif")
    np.testing.assert_array_equal(third.grey_HxW, np.asarray(draw(2)))
    assert first.problem is third.problem is None
    assert second.grey_HxW is None
    assert second.problem.startswith("damaged image (")


def test_small_copies_in_a_tiff_are_no_pages():
    small = draw(0, size=(6, 4))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    content = encode(draw(0), "TIFF", save_all=True, append_images=[small, draw(1)])
    pages = list(open_pages(content, "x.tif"))
    assert [(page.number, page.pages) for page in pages] == [(1, 2), (2, 2)]
    np.testing.assert_array_equal(pages[1].grey_HxW, np.asarray(draw(1)))


def test_a_jpeg_is_kept_as_it_lies_unless_it_must_be_turned():
    grey, colour = encode(draw(1), "JPEG", dpi=(150, 150)), encode(draw(1, "RGB"), "JPEG", dpi=(72, 72))
    (page,) = open_pages(grey, "x")
    assert (page.jpeg, page.dpi) == ((grey, 1), 150.0)
    (page,) = open_pages(colour, "x")
    assert (page.jpeg, page.dpi) == ((colour, 3), None)  # 72 is what cameras write.
    exif = Image.Exif()
    exif[0x0112] = 6
    (page,) = open_pages(encode(draw(1), "JPEG", exif=exif), "x")
    assert page.jpeg is None
    assert page.grey_HxW.shape == (60, 40)
    (page,) = open_pages(encode(draw(1, "CMYK"), "JPEG"), "x")
    assert page.jpeg is None


def test_pages_of_a_pdf_are_drawn(tmp_path):
    pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    path = tmp_path / "x.pdf"
    path.write_bytes(pdf(2))
    pages = list(open_pages(path, "x.pdf"))
    assert [(page.number, page.pages, page.dpi) for page in pages] == [(1, 2, 300.0), (2, 2, 300.0)]
    for number, page in enumerate(pages):
        small = Image.fromarray(page.grey_HxW).resize((60, 40), Image.Resampling.BOX)
        assert np.abs(np.asarray(small).astype(int) - np.asarray(draw(number))).mean() < 12


def test_a_pdf_of_huge_pages_is_drawn_smaller():
    pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    huge = encode(draw(0, size=(300, 200)), "PDF", resolution=3.0)  # 100 x 67 inches
    (page,) = open_pages(huge, "x.pdf")
    assert 39e6 < page.grey_HxW.size < 41e6
    assert page.dpi < 100


def test_pdfs_that_cannot_be_read_say_why(tmp_path, monkeypatch):
    pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    with pytest.raises(InputError, match=r"^x\.pdf: damaged PDF$"):
        list(open_pages(pdf(1)[:200], "x.pdf"))
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(InputError, match=r"^x\.pdf: a PDF, which needs pypdfium2: pip install 'hwr_jax\[pdf\]'"):
        list(open_pages(pdf(1), "x.pdf"))


def test_a_pdf_with_a_password_says_so(tmp_path):
    pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    if shutil.which("qpdf") is None:
        pytest.skip("qpdf is not installed")
    (tmp_path / "open.pdf").write_bytes(pdf(1))
    locked = tmp_path / "locked.pdf"
    command = ["qpdf", "--encrypt", "user", "owner", "256", "--", tmp_path / "open.pdf", locked]
    subprocess.run(command, check=True, timeout=60)
    with pytest.raises(InputError, match=r"^x\.pdf: a PDF with a password; take it off, for example with qpdf"):
        list(open_pages(locked, "x.pdf"))


def test_heic_is_read_where_its_extra_is_installed():
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    encoded = io.BytesIO()
    pillow_heif.from_pillow(draw(1, "RGB", (64, 48))).save(encoded, quality=95)
    (page,) = open_pages(encoded.getvalue(), "x.heic")
    assert np.abs(page.grey_HxW.astype(int) - np.asarray(draw(1, size=(64, 48)))).mean() < 5


def test_missing_files_and_folders_say_what_open_grey_says(tmp_path):
    for path, message in ((tmp_path / "gone.png", "no such file"), (tmp_path, "a folder; give the images in it")):
        with pytest.raises(InputError, match=f"^{path}: {message}"):
            list(open_pages(path, str(path)))
    (tmp_path / "no.tif").write_bytes(b"II*\0" + b"\xff" * 30)
    with pytest.raises(InputError, match=r"^no\.tif: "):
        list(open_pages(Path(tmp_path / "no.tif"), "no.tif"))


def test_a_tiff_of_many_pages_holds_one_in_memory_at_a_time():
    pages = open_pages(tiff(500), "x.tif")
    assert next(pages).pages == 500
    assert sum(1 for _ in pages) == 499


def heic(number: int) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    encoded = io.BytesIO()
    pillow_heif.from_pillow(draw(number, "RGB", (64, 48))).save(encoded)
    return encoded.getvalue()


@pytest.mark.parametrize("kind", ["tiff", "pdf", "heic"])
def test_damaged_documents_are_errors_of_ours_or_problems_of_pages(kind):
    if kind == "pdf":
        pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    content = {"tiff": lambda: tiff(3), "pdf": lambda: pdf(3), "heic": lambda: heic(1)}[kind]()
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(content[: rng.integers(len(content) // 4, len(content) + 1)])
        for place in rng.integers(0, len(damaged), rng.integers(0, 30)):
            damaged[place] = rng.integers(256)
        try:
            for page in open_pages(bytes(damaged), "x"):
                assert (page.grey_HxW is None) == (page.problem is not None)
                assert "\n" not in (page.problem or "")
                outcomes.add(type(page.problem))
        except InputError as error:
            outcomes.add(str(error).startswith("x: ") and "\n" not in str(error))
    assert True in outcomes
    assert False not in outcomes
