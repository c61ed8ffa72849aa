"""Images written to files: those that were given, wherever they end up."""

import os
import tempfile

import numpy as np
import pytest

from hwr_jax.data import stored_images
from hwr_jax.data.stored_images import ImageWriter
from hwr_jax.ink.model_input import Preprocessing, measure_widths

FRAME = Preprocessing(3, 7, "line")


def draw(count):
    return np.random.default_rng(count).choice([255, 255, 255, 0], (count, 3, 7)).astype(np.uint8)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(stored_images, "_BLOCK_BYTES", 50)  # of two frames


def write(images_NxHxW, path=None):
    with ImageWriter(FRAME, path) as writer:
        for image_HxW in images_NxHxW:
            writer.add(image_HxW)
        written = writer.finish()
        if path is not None and writer.path is not None:
            # Any program can read it.
            np.testing.assert_array_equal(np.load(path, allow_pickle=False), images_NxHxW)
    return written


def assert_written(written, images_NxHxW):
    stored, widths_N = written
    assert stored.shape == images_NxHxW.shape
    np.testing.assert_array_equal(stored, images_NxHxW)
    np.testing.assert_array_equal(widths_N, measure_widths(images_NxHxW, FRAME))
    assert widths_N.dtype == np.int32


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 11])
@pytest.mark.parametrize("named", [False, True])
def test_what_was_written_is_read(small_blocks, tmp_path, count, named):
    assert_written(write(draw(count), tmp_path / "frames.npy" if named else None), draw(count))
    assert not list(tmp_path.iterdir())


def test_a_block_is_reused_and_a_frame_larger_than_it_has_one():
    preprocessing = Preprocessing(1024, 2048, "line")
    with ImageWriter(preprocessing) as writer:
        page_HxW = np.zeros((1024, 2048), np.uint8)
        writer.add(page_HxW)
        page_HxW[:] = 255
        writer.add(page_HxW)
        stored, widths_N = writer.finish()
    assert [stored[row].max() for row in (0, 1)] == [0, 255]
    assert widths_N.tolist() == [2048, 128]


def test_a_file_that_was_moved_stays(tmp_path):
    with ImageWriter(FRAME, tmp_path / "unfinished") as writer:
        writer.add(draw(1)[0])
        writer.finish()
        os.replace(tmp_path / "unfinished", tmp_path / "kept.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "kept.npy"), draw(1))


@pytest.mark.parametrize("path", ["gone/frames.npy", "there.npy"])
def test_where_the_file_cannot_be_made_frames_go_elsewhere(tmp_path, path):
    (tmp_path / "there.npy").write_bytes(b"another's")
    with ImageWriter(FRAME, tmp_path / path) as writer:
        assert writer.path is None
    assert_written(write(draw(5), tmp_path / path), draw(5))
    assert (tmp_path / "there.npy").read_bytes() == b"another's"


class FullDisk:
    """os.pwrite, where files take so many bytes each: a named one and a temporary one."""

    def __init__(self, *room):
        self._room, self._pwrite = list(room), os.pwrite
        self._of: dict[tuple[int, int], int] = {}

    def __call__(self, descriptor, content, start):
        about = os.fstat(descriptor)
        file = (about.st_dev, about.st_ino)
        if file not in self._of:
            self._of[file] = self._room.pop(0)
        room = self._of[file]
        fits = content[: max(0, room - start)]
        if not fits:
            raise OSError(28, "No space left on device")
        return self._pwrite(descriptor, fits, start)


@pytest.mark.parametrize("first", [0, 60, 128, 150, 170, 212, 337])
@pytest.mark.parametrize("second", [0, 128, 200, 10**6])
def test_where_a_disk_is_full_frames_move_on(small_blocks, tmp_path, monkeypatch, first, second):
    monkeypatch.setattr(os, "pwrite", FullDisk(first, second))
    with ImageWriter(FRAME, tmp_path / "frames.npy") as writer:
        for image_HxW in draw(10):
            writer.add(image_HxW)
        written = writer.finish()
        assert writer.path is None
        assert not list(tmp_path.iterdir())
    assert_written(written, draw(10))


def test_without_a_folder_for_temporary_files_there_is_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert_written(write(draw(4)), draw(4))
