"""Folders, tar and zip archives as trees of files."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hwr_jax.data.archives import inside, open_tree
from hwr_jax.errors import InputError

FILES = {"set/a.txt": b"a", "set/deep/b.txt": b"bb", "set/c.png": b"ccc"}


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_tar(root: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(root / "x.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return root / "x.tar.gz"


def write_zip(root: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(root / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return root / "x.zip"


def is_text(name: str) -> bool:
    return name.endswith(".txt")


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_an_archive_reads_as_the_folder_in_it(write: Callable[..., Path], tmp_path: Path) -> None:
    for source in (write_folder(tmp_path, FILES) / "set", write(tmp_path, FILES)):
        with open_tree(source, is_text) as tree:
            assert tree.names() == ["a.txt", "deep/b.txt"]
            assert [tree.read(name) for name in tree.names()] == [b"a", b"bb"]
            assert tree.read("./deep/../a.txt") == b"a"
            assert tree.content("gone.txt") is None
            assert tree.content("../set/a.txt") is None
            with pytest.raises(FileNotFoundError):
                tree.read("gone.txt")


def test_an_archive_of_several_folders_keeps_their_names(tmp_path: Path) -> None:
    with open_tree(write_zip(tmp_path, FILES | {"other/d.txt": b""}), is_text) as tree:
        assert tree.names() == ["other/d.txt", "set/a.txt", "set/deep/b.txt"]


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize("name", ["../x.txt", "/etc/x.txt", "a/../../x.txt"])
def test_members_that_leave_the_folder_are_refused(write: Callable[..., Path], name: str, tmp_path: Path) -> None:
    source = write(tmp_path, {name: b"x"})
    with pytest.raises(InputError, match="leaves the archive's folder"), open_tree(source, is_text):
        pass


def test_links_in_zips_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("a.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="is a link"), open_tree(tmp_path / "x.zip", is_text):
        pass


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_bombs_are_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    source = write(tmp_path, {"a.txt": bytes(10**6), "b.txt": bytes(10**6)})
    with open_tree(source, is_text, max_bytes=3 * 10**6) as tree:
        assert len(tree.read("a.txt")) == 10**6
    with pytest.raises(InputError, match="unpacks to more than"), open_tree(source, is_text, max_bytes=15 * 10**5):
        pass


def test_damaged_archives_and_missing_sources(tmp_path: Path) -> None:
    whole = write_zip(tmp_path, {"a.txt": bytes(range(256)) * 40}).read_bytes()
    path = tmp_path / "broken.zip"
    path.write_bytes(whole[:60] + b"\xff\xff" + whole[62:])
    with pytest.raises(InputError, match="damaged"), open_tree(path, is_text):
        pass
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="not a tar archive"), open_tree(path, is_text):
        pass
    with pytest.raises(InputError, match="no such file or folder"), open_tree(tmp_path / "gone", is_text):
        pass


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        (".", "a.png", "a.png"),
        ("p/q", "../a.png", "p/a.png"),
        ("p", "b\\a.png", "p/b/a.png"),
        ("p", "../../a.png", None),
        ("p", "/a.png", None),
    ],
)
def test_names_relative_to_a_folder(folder: str, name: str, expected: str | None) -> None:
    assert inside(folder, name) == expected
