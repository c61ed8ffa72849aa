"""Paths of images that were written on another machine, or from another folder."""

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from hwr_jax.data.formats.manifest import parse_manifest
from hwr_jax.data.sample import Sample, Skip


def read(folder: Path, images: list[str], paths: list[str], table: str = "t.csv") -> list[str | None]:
    """For each path the id of its sample, or None."""
    for name in images:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 7), 200).save(folder / name)
    (folder / table).write_text("image,text\n" + "".join(f"{path},x\n" for path in paths), encoding="utf-8")
    outcomes = list(parse_manifest(folder, workers=1))
    return [o.id if isinstance(o, Sample) else None for o in outcomes]


@pytest.mark.parametrize("before", ["/home/me/data/", "C:\\Users\\me\\data\\", "data/", "../data/", "file/x/y/"])
def test_folders_of_another_machine_are_left_out(tmp_path: Path, before: str) -> None:
    images = ["a/1.png", "a/2.png", "3.png"]
    separator = "\\" if "\\" in before else "/"
    paths = [before + name.replace("/", separator) for name in images]
    assert read(tmp_path, images, paths) == images


def test_one_rule_holds_for_all_paths_of_a_table(tmp_path: Path) -> None:
    """Else two images of one name in two folders would both be the one that is there."""
    assert read(tmp_path, ["1.png"], ["/x/train/1.png", "/x/test/1.png"]) == ["1.png", None]
    assert read(tmp_path, ["2.png"], ["2.png", "/x/test/2.png"]) == ["2.png", None]


def test_a_missing_image_finds_no_other_of_its_name(tmp_path: Path) -> None:
    assert read(tmp_path, ["1.png", "train/2.png"], ["train/1.png", "train/2.png"]) == [None, "train/2.png"]


def test_images_may_lie_in_the_folder_images_or_be_named_from_the_top(tmp_path: Path) -> None:
    assert read(tmp_path, ["images/1.png", "images/2.png"], ["1.png", "2.png"]) == ["images/1.png", "images/2.png"]
    top = tmp_path / "top"
    (top / "tables").mkdir(parents=True)
    assert read(top, ["scans/1.png"], ["scans/1.png"], "tables/t.csv") == ["scans/1.png"]


def test_names_whose_accents_macos_has_decomposed(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "1\u00e9.png")
    assert read(tmp_path, [name], [unicodedata.normalize("NFC", name)]) == [name]


@pytest.mark.parametrize("paths", [["A/1.PNG", "a/2.Png"], ["a/1", "a/2"], ["/x/y/a/1.PNG", "/x/y/a/2.PNG"]])
def test_names_of_another_case_or_without_a_suffix(tmp_path: Path, paths: list[str]) -> None:
    assert read(tmp_path, ["a/1.png", "a/2.png"], paths) == ["a/1.png", "a/2.png"]


def test_a_name_that_two_images_fit_is_none_of_them(tmp_path: Path) -> None:
    assert read(tmp_path, ["1.png", "1.gif", "2.png"], ["1", "2.gif", "2"]) == [None, None, "2.png"]


def test_what_is_not_there_is_a_skip(tmp_path: Path) -> None:
    assert read(tmp_path, ["1.png"], ["/secret/9.png", "../../9.png", "C:\\9.png"]) == [None, None, None]
    reasons = {o.reason for o in parse_manifest(tmp_path, workers=1) if isinstance(o, Skip)}
    assert reasons == {"image: its path leaves the manifest's folder", "image: no such file"}
