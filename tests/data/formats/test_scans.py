"""The scans of pages: found under the names that systems give them, and their pixels as page files count them."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.archives import open_tree
from hwr_jax.data.formats.scans import Scans, fits_both_ways, open_scan
from hwr_jax.errors import InputError

NAMED = "Seite é.TIF"


def find(root: Path, files: list[str], page: str, image_name: str, source: str = "") -> str:
    """The scan of a page file of a source, as a path from `root`."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    with open_tree(root / source, lambda _: True) as tree:
        scans = Scans(root / source, tree)
        content = scans.content(scans.find(page, image_name))
    assert isinstance(content, Path)
    return content.relative_to(root.resolve()).as_posix()


@pytest.mark.parametrize(
    ("page", "named", "expected", "others"),
    [
        # As it is named, before all that is like it.
        ("x/p1.xml", "q.png", "x/q.png", ["x/Q.png", "x/q.jpg", "x/p1.png", "x/img/q.png"]),
        ("x/p1.xml", "sub/q.png", "x/sub/q.png", ["x/q.png"]),
        ("x/y/p1.xml", "SCANS/q.png", "SCANS/q.png", ["x/y/p1.png"]),
        # Another case, another form of accents, no suffix or another one.
        ("x/p1.xml", "Q.PNG", "x/q.png", ["x/p1.png"]),
        ("x/p1.xml", "é.png", "x/e\u0301.png", ["x/p1.png"]),
        ("x/p1.xml", "q", "x/q.png", ["x/p1.png"]),
        ("x/p1.xml", "q.2", "x/q.2.png", ["x/q.png"]),
        ("x/p1.xml", "q.tif", "x/q.jpg", ["x/p1.png"]),
        ("x/p1.xml", "C:\\scans\\q.tif", "x/q.jpg", []),
        ("x/p1.xml", "IMG/q.tif", "x/IMG/q.jpg", []),
        # As in an address.
        ("x/p1.xml", "caf%C3%A9%201.png", "x/caf\u00e9 1.png", ["x/p1.png"]),
        ("x/p1.xml", "100%25.png", "x/100%25.png", ["x/100%.png"]),
        # The page file's own name, and what stands before another suffix.
        ("x/p1.xml", "", "x/p1.png", ["x/p1.gt.png"]),
        ("x/p1.xml", "gone.png", "x/P1.JPG", []),
        ("x/p1.gt.xml", "", "x/p1.png", []),
        ("x/p1.jpg.xml", "", "x/p1.jpg", ["x/p1.png"]),
        # In folders of images, above, and there in such folders.
        ("x/p1.xml", "q.png", "x/Images/q.png", ["img/q.png"]),
        ("page/p1.xml", "q.png", "img/q.png", []),
        ("xml/gt/p1.xml", "q.png", "img/q.png", []),
        ("xml/gt/p1.xml", "q.png", "q.png", []),
        # Where images are in the same folders as the page files.
        ("xml/two/p1.xml", "q.png", "img/two/q.png", ["img/q.png", "img/one/q.png"]),
    ],
)
def test_the_scan_that_is_nearest(page: str, named: str, expected: str, others: list[str], tmp_path: Path) -> None:
    files = [page, expected, *others]
    assert find(tmp_path / "source", files, page, named) == expected
    with tarfile.open(tmp_path / "source.tar", "w") as archive:
        for name in [*files, "note.txt"]:
            archive.addfile(tarfile.TarInfo(name))
    with open_tree(tmp_path / "source.tar", lambda _: True) as tree:
        assert Scans(tmp_path / "source.tar", tree).find(page, named) == expected


def test_the_scan_lies_above_the_source(tmp_path: Path) -> None:
    assert find(tmp_path, ["set/page/p1.xml", "set/q.png"], "p1.xml", "q.png", "set/page") == "set/q.png"
    assert find(tmp_path, ["s/a/b/p1.xml", "s/OCR/r.png"], "p1.xml", "OCR/r.png", "s/a/b") == "s/OCR/r.png"


@pytest.mark.parametrize(
    ("page", "named", "files", "message"),
    [
        ("p1.xml", "q.png", [], "page image: no such file (it names 'q.png')"),
        ("p1.xml", "", ["p2.png"], "page image: no such file (it names none, and there is no p1.png or the like)"),
        ("p1.xml", "q.tif", ["q.jpg", "q.png"], "page image: several files fit (it names 'q.tif': q.jpg, q.png)"),
        # Another page's, or in a folder that has nothing to do with it.
        ("one/page/1.xml", "1.jpg", ["two/1.jpg", "two/page/1.jpg"], "page image: no such file (it names '1.jpg')"),
        ("x/1.xml", "1.jpg", ["y/1.jpg"], "page image: no such file (it names '1.jpg')"),
        ("p1.xml", "q\0.png", [], "page image: no such file (it names 'q\\x00.png')"),
    ],
)
def test_what_was_sought_is_told(page: str, named: str, files: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        find(tmp_path / "source", [page, *files], page, named)
    assert str(raised.value) == message


def test_a_link_to_a_scan_is_that_scan(tmp_path: Path) -> None:
    find(tmp_path, ["a/p.xml", "a/p.png", "b/p.xml"], "a/p.xml", "p.png")
    (tmp_path / "b" / "p.png").symlink_to(tmp_path / "a" / "p.png")
    with open_tree(tmp_path, lambda _: True) as tree:
        scans = Scans(tmp_path, tree)
        assert len({scans.identify(scans.find(f"{folder}/p.xml", "p.png")) for folder in "ab"}) == 1


UPRIGHT = np.random.default_rng(0).integers(0, 255, (40, 100), dtype=np.uint8)


def encode(stored_HxW: np.ndarray, orientation: int) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored_HxW).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(100, 40), None])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_coordinates_count_stored_pixels(orientation: int, size: tuple[int, int] | None) -> None:
    """As tools do that pass over EXIF; 3 is turned by 180 degrees, so that the size fits both."""
    page_HxW, scale_2 = open_scan(encode(UPRIGHT, orientation), size)
    np.testing.assert_array_equal(page_HxW, UPRIGHT)
    assert scale_2.tolist() == [1, 1]


@pytest.mark.parametrize(("orientation", "stored"), [(6, np.rot90(UPRIGHT)), (8, np.rot90(UPRIGHT, -1))])
def test_a_size_that_fits_the_upright_image_alone_counts_that(orientation: int, stored: np.ndarray) -> None:
    page_HxW, scale_2 = open_scan(encode(stored, orientation), (100, 40))
    np.testing.assert_array_equal(page_HxW, UPRIGHT)
    assert scale_2.tolist() == [1, 1]
    half_HxW, scale_2 = open_scan(encode(np.rot90(UPRIGHT[::2, ::2]), 6), (100, 40))
    np.testing.assert_array_equal(half_HxW, UPRIGHT[::2, ::2])
    assert scale_2.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(100, 40), (40, 100), (200, 80), None])
def test_where_both_readings_of_exif_fit_it_is_known(orientation: int, size: tuple[int, int] | None, tmp_path) -> None:
    is_turned = orientation > 1
    on_its_side = orientation >= 5
    expected = is_turned and (size is None or (size[0] > size[1] and not on_its_side))
    assert fits_both_ways(encode(UPRIGHT, orientation), size) == expected
    (tmp_path / "p.png").write_bytes(encode(UPRIGHT, orientation))
    assert fits_both_ways(tmp_path / "p.png", size) == expected


def test_what_is_no_image_fits_no_way(tmp_path: Path) -> None:
    assert not fits_both_ways(b"no image", None)
    assert not fits_both_ways(tmp_path / "absent.png", None)


@pytest.mark.parametrize("size", [(200, 80), (201, 80), (50, 20), (51, 20), (847, 339), (2400, 960)])
def test_a_scan_of_the_same_shape_is_scaled(size: tuple[int, int]) -> None:
    page_HxW, scale_2 = open_scan(encode(UPRIGHT, 1), size)
    assert page_HxW.shape == (40, 100)
    np.testing.assert_allclose(scale_2 * size, (100, 40))


@pytest.mark.parametrize("size", [(100, 41), (101, 40), (40, 100), (200, 90), (60, 20), (1, 1)])
def test_a_scan_of_another_shape_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"^page image: of another size than its XML says \(100 x 40 px, not "):
        open_scan(encode(UPRIGHT, 1), size)
