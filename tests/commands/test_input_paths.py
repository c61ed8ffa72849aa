"""What the arguments of `hwr read` name."""

from pathlib import Path, PurePath

import pytest

from hwr_jax.commands.input_paths import check_written, expand_paths
from hwr_jax.errors import InputError


def test_folders_are_walked_by_name_and_other_files_are_counted(tmp_path):
    for name in ("b/2.JPG", "b/.hidden.png", "a.pdf", "c.heic", "b/notes.txt", ".git/x.png", "b/x.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    said: list[str] = []
    files = expand_paths([str(tmp_path)], said.append)
    assert [file.name for file in files] == [str(tmp_path / name) for name in ("a.pdf", "b/2.JPG", "c.heic")]
    assert [file.stem for file in files] == [PurePath("a"), PurePath("b/2"), PurePath("c")]
    assert said == [f"{tmp_path}: 2 other files not read: no image by name"]


def test_patterns_match_files_unless_a_file_has_that_name(tmp_path):
    for name in ("2.png", "1.png", "x[1].png"):
        (tmp_path / name).write_bytes(b"")
    names = [file.name for file in expand_paths([f"{tmp_path}/?.png", f"{tmp_path}/x[1].png"], print)]
    assert names == [str(tmp_path / name) for name in ("1.png", "2.png", "x[1].png")]
    assert [file.name for file in expand_paths(["none*.png"], print)] == ["none*.png"]


def test_standard_input_has_a_name_of_its_own():
    (file,) = expand_paths(["-"], print)
    assert (file.name, file.stem) == ("-", PurePath("stdin"))
    with pytest.raises(InputError, match="only once"):
        expand_paths(["-", "-"], print)


def test_nothing_is_written_twice_or_over_what_is_read(tmp_path):
    a, b, out = tmp_path / "a.xml", tmp_path / "b.xml", tmp_path / "out" / "x.xml"
    check_written([(a, out), (a, out), (b, tmp_path / "y.xml")], [a, b])
    again = tmp_path / "out" / ".." / "a.xml"
    check_written([(a, out), (again, out)], [a, again])  # one file by two names
    with pytest.raises(InputError, match=rf"^{a} and {b} would both be written to {out}; give them apart$"):
        check_written([(a, out), (b, out)], [a, b])
    with pytest.raises(InputError, match=rf"^{a}: {again} would be written over a file that is read"):
        check_written([(a, Path(again))], [a])
