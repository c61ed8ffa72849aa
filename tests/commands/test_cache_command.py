"""`hwr cache`: lists and deletes what lies in the cache folder, and nothing else."""

import json
from pathlib import Path

import pytest

from hwr_jax.commands import main


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    """A cache folder with 300 bytes of each kind."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("HWR_JAX_DATA_DIR", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    # `run` names a folder for programs where none is named.
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "hwr_jax" / "programs"))
    for kind in ("data", "kernels", "programs", "text_models"):
        for name, size in (("a", 100), ("deep/b", 200)):
            path = tmp_path / "hwr_jax" / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * size)
    return tmp_path / "hwr_jax"


def kinds_left(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_a_list_has_sizes_and_folders(root, capsys) -> None:
    assert main.main(["cache", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["data", "kernels", "programs", "text_models"]
    assert {row[-1] for row in rows} == {str(root / row[0]) for row in rows}
    assert main.main(["cache", "list", "kernels", "--json"]) == 0
    found = [{"kind": "kernels", "folder": str(root / "kernels"), "files": 2, "bytes": 300}]
    assert json.loads(capsys.readouterr().out) == found


def test_clean_leaves_data_unless_named(root, capsys) -> None:
    assert main.main(["cache", "clean"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "kernels: 2 files, 0 kB deleted"
    assert kinds_left(root) == {"data"}
    assert main.main(["cache", "clean", "data"]) == 0
    assert kinds_left(root) == set()
    assert main.main(["cache", "clean"]) == 0  # where nothing is left


def test_a_folder_of_the_users_own_choice_is_left(root, capsys, monkeypatch, tmp_path) -> None:
    own = tmp_path / "precious"
    own.mkdir()
    (own / "file").write_text("kept")
    monkeypatch.setenv("HWR_JAX_DATA_DIR", str(own))
    assert main.main(["cache", "clean", "data"]) == 0
    assert capsys.readouterr().out == f"data: left, as you have chosen its folder: {own}\n"
    assert (own / "file").read_text() == "kept"
    assert "data" in kinds_left(root)


def test_links_are_deleted_and_not_followed(root, tmp_path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    (root / "kernels" / "link").symlink_to(outside)
    assert main.main(["cache", "clean", "kernels"]) == 0
    assert (outside / "file").read_text() == "kept"


def test_kinds_that_are_none_are_named(root, capsys) -> None:
    assert main.main(["cache", "clean", "kernel"]) == 1
    wanted = "hwr cache: no kind 'kernel'; the kinds are data, kernels, programs, text_models\n"
    assert capsys.readouterr().err == wanted
    assert kinds_left(root) == {"data", "kernels", "programs", "text_models"}
