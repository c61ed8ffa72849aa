"""Archives and folders as trees of files: what is read, and what is refused."""

import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwr_jax.data.archives import SourceFile, inside, open_tree, read_tar, walk_files
from hwr_jax.errors import InputError

FILES = {"data/a.dat": b"first" * 300, "data/b.dat": b"", "include/c.doc": bytes(range(256)) * 40}
MODES = {"": "w", ".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}


def write_tar(path: Path, mode: str, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_members(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            archive.addfile(member)
    return path


def read_all(path: Path, **kwargs: int) -> dict[str, bytes]:
    return {file.name: file.read() for file in read_tar(path, lambda name: True, **kwargs)}


@pytest.mark.parametrize("suffix", MODES)
def test_every_compression_gives_the_same_files(tmp_path: Path, suffix: str) -> None:
    archive = write_tar(tmp_path / f"archive.tar{suffix}", MODES[suffix], FILES)
    assert read_all(archive) == FILES


def test_the_name_of_the_archive_does_not_matter(tmp_path: Path) -> None:
    assert read_all(write_tar(tmp_path / "archive.bin", "w:xz", FILES)) == FILES


def test_only_wanted_files_are_yielded(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "archive.tar", "w", FILES)
    assert [file.name for file in read_tar(archive, lambda name: name.endswith(".doc"))] == ["include/c.doc"]


@pytest.mark.parametrize("name", ["../outside.dat", "data/../../outside.dat", "/etc/outside.dat"])
def test_a_wanted_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = write_tar(tmp_path / "archive.tar", "w", {name: b"x"})
    with pytest.raises(InputError, match="leaves the archive's folder"):
        read_all(archive)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_wanted_link_or_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("data/a.dat")
    member.type = kind
    member.linkname = "/etc/passwd"
    archive = write_members(tmp_path / "archive.tar", member)
    with pytest.raises(InputError, match="link or a device"):
        read_all(archive)
    assert list(read_tar(archive, lambda name: False)) == []


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "bomb.tar.xz", "w:xz", {"a": bytes(3_000_000), "b": b"end"})
    assert archive.stat().st_size < 10_000
    with pytest.raises(InputError, match="unpacks to more than"):
        read_all(archive, max_bytes=1_000_000)
    with pytest.raises(InputError, match="unpacks to more than"):
        list(read_tar(archive, lambda name: name == "b", max_bytes=1_000_000))
    assert read_all(archive, max_bytes=4_000_000)["b"] == b"end"


def test_a_header_that_asks_for_more_memory_than_allowed_is_refused(tmp_path: Path) -> None:
    """A PAX header is read into memory whole, before tarfile knows what it is."""
    header = tarfile.TarInfo("pax")
    header.type = tarfile.XHDTYPE
    header.size = 2**32
    (tmp_path / "bomb.tar.xz").write_bytes(lzma.compress(header.tobuf() + bytes(10_000)))
    with pytest.raises(InputError, match="unpacks to more than"):
        read_all(tmp_path / "bomb.tar.xz", max_bytes=2**30)


@pytest.mark.parametrize("suffix", MODES)
def test_an_archive_cut_short_is_named(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    noise = {f"{number}.dat": rng.bytes(70_000) for number in range(20)}  # more than one block of bz2's
    archive = write_tar(tmp_path / f"archive.tar{suffix}", MODES[suffix], noise)
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * 0.7)])
    with pytest.raises(InputError, match=r"archive\.tar.*cut short or damaged"):
        read_all(archive)


@pytest.mark.parametrize("content", [b"", b"only some text\n", b"\x1f\x8b\x08 not gzip", b"\xfd7zXZ\x00 not xz"])
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"thing: neither a folder nor an archive"):
        read_all(path)


def test_walking_a_folder_is_sorted(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("b/2.dat", "b/1.dat", "a/3.dat"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(name.encode())
    (tree / "loop").symlink_to(tree)
    files = list(walk_files(tree))
    assert [file.name for file in files] == ["a/3.dat", "b/1.dat", "b/2.dat"]
    assert [file.read() for file in files] == [b"a/3.dat", b"b/1.dat", b"b/2.dat"]


def test_links_to_folders_elsewhere_are_followed_once(tmp_path: Path) -> None:
    tree, other = tmp_path / "tree", tmp_path / "other"
    for path in (tree / "own/1.dat", other / "2.dat", other / "deep/3.dat"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    for name, target in {
        "a": other / "deep", "b": other, "c": other, "back": tree / "own", "up": tmp_path, "gone": tmp_path / "no"
    }.items():  # fmt: skip
        (tree / name).symlink_to(target)
    (other / "deep" / "round").symlink_to(other)
    assert [file.name for file in walk_files(tree)] == ["gone", "a/3.dat", "b/2.dat", "own/1.dat"]


def test_what_macos_keeps_beside_files_is_no_file(tmp_path: Path) -> None:
    beside = {"._a.dat": b"", ".DS_Store": b"", "set/._b.dat": b"", "__MACOSX/set/._b.dat": b"", "__MACOSX/x": b""}
    files = {"set/b.dat": b"b", **beside}
    archive = write_tar(tmp_path / "archive.tar", "w", files)
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
            (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "folder" / name).write_bytes(content)
    assert [file.name for file in walk_files(tmp_path / "folder")] == ["set/b.dat"]
    assert list(read_all(archive)) == ["set/b.dat"]
    for source in (tmp_path / "archive.zip", archive, tmp_path / "folder" / "set"):
        with open_tree(source, lambda name: True) as tree:
            assert tree.names() == ["b.dat"]


def test_the_start_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert (
        SourceFile("file", tmp_path / "file").read_start(4)
        == SourceFile("file", b"0123456789").read_start(4)
        == b"0123"
    )


TREE_FILES = {"set/a.txt": b"a", "set/deep/b.txt": b"bb", "set/c.png": b"ccc"}


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_tar_gz(root: Path, files: dict[str, bytes]) -> Path:
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


@pytest.mark.parametrize("write", [write_tar_gz, write_zip])
def test_an_archive_reads_as_the_folder_in_it(write: Callable[..., Path], tmp_path: Path) -> None:
    for source in (write_folder(tmp_path, TREE_FILES) / "set", write(tmp_path, TREE_FILES)):
        with open_tree(source, is_text) as tree:
            assert tree.names() == ["a.txt", "deep/b.txt"]
            assert [tree.read(name) for name in tree.names()] == [b"a", b"bb"]
            assert tree.read("./deep/../a.txt") == b"a"
            assert tree.content("gone.txt") is None
            assert tree.content("../set/a.txt") is None
            with pytest.raises(FileNotFoundError):
                tree.read("gone.txt")


def test_an_archive_of_several_folders_keeps_their_names(tmp_path: Path) -> None:
    with open_tree(write_zip(tmp_path, TREE_FILES | {"other/d.txt": b""}), is_text) as tree:
        assert tree.names() == ["other/d.txt", "set/a.txt", "set/deep/b.txt"]


@pytest.mark.parametrize("write", [write_tar_gz, write_zip])
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


@pytest.mark.parametrize("write", [write_tar_gz, write_zip])
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
    with pytest.raises(InputError, match="neither a folder nor an archive"), open_tree(path, is_text):
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


def test_damage_that_is_met_on_the_way_to_the_next_member_is_told(tmp_path):
    path = tmp_path / "data.tar.bz2"
    with tarfile.open(path, "w:bz2") as archive:
        for name in ("unwanted", "wanted"):
            member = tarfile.TarInfo(name)
            member.size = 3_000_000
            archive.addfile(member, io.BytesIO(np.random.default_rng(0).bytes(member.size)))
    data = bytearray(path.read_bytes())
    middle = len(data) // 4
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)
    with pytest.raises(InputError, match="cut short or damaged after 1 member"):
        list(read_tar(path, lambda name: name == "wanted"))


def test_bytes_that_only_begin_like_bz2_are_no_archive(tmp_path):
    path = tmp_path / "data.tar.bz2"
    path.write_bytes(b"BZh" + bytes(range(200)))
    with pytest.raises(InputError, match="neither a folder nor an archive"), open_tree(path, lambda name: True):
        pass
