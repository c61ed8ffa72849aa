"""Images in files, against the arrays they are taken from: written and read, wherever they end up."""

import io
import os
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.data import stored_images
from hwr_jax.data.stored_images import ImageWriter, StoredImages, join_images, open_images, select_images
from hwr_jax.ink.model_input import Preprocessing, measure_widths


def store(images_NxHxW, folder) -> StoredImages:
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, images_NxHxW)
    with path.open("rb") as file:
        return open_images(file)


def draw(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 5)).astype(np.uint8)


KEYS = st.one_of(
    st.integers(-9, 8),
    st.slices(9),
    st.lists(st.integers(-9, 8)).map(lambda rows: np.array(rows, np.int64)),
    st.lists(st.booleans(), min_size=9, max_size=9).map(np.array),
)
INSIDE = st.sampled_from([(), (slice(None), slice(2)), (slice(1, 3),), (slice(None), 4)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("frames")


@given(key=KEYS, inside=INSIDE)
def test_they_are_indexed_as_arrays_are(folder, key, inside):
    whole = draw(9)
    stored = store(whole, folder)
    taken = stored[(key, *inside)] if inside else stored[key]
    np.testing.assert_array_equal(taken, whole[(key, *inside)])
    assert taken.dtype == np.uint8
    assert isinstance(taken, np.ndarray)


@given(data=st.data(), counts=st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_selections_and_joins_are_those_of_arrays(folder, data, counts):
    wholes = [draw(count, seed) for seed, count in enumerate(counts)]
    stored = [store(whole, folder) for whole in wholes]
    for _ in range(2):  # of selections and joins, too
        for place, whole in enumerate(wholes):
            rows = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=5)) if len(whole) else [], int)
            wholes[place], stored[place] = whole[rows], select_images(stored[place], rows)
        wholes.append(np.concatenate(wholes))
        stored.append(join_images(stored))
    for whole, frames in zip(wholes, stored, strict=True):
        assert isinstance(frames, StoredImages)
        assert (frames.shape, len(frames), frames.nbytes) == (whole.shape, len(whole), whole.nbytes)
        np.testing.assert_array_equal(frames, whole)


def test_arrays_are_joined_and_selected_too(folder):
    some, other = draw(4), draw(3, 1)
    np.testing.assert_array_equal(join_images([store(some, folder), other]), np.concatenate([some, other]))
    np.testing.assert_array_equal(select_images(some, np.array([2, 0])), some[[2, 0]])


def test_they_can_be_gone_through(folder):
    whole = draw(6)
    np.testing.assert_array_equal(list(store(whole, folder)), whole)


@pytest.mark.parametrize("row", [9, -10, np.array([0, 9])])
def test_rows_that_are_not_there_are_errors(folder, row):
    with pytest.raises(IndexError):
        store(draw(9), folder)[row]


def test_a_file_cut_short_while_it_is_read_is_an_error(tmp_path):
    stored = store(draw(9), tmp_path)
    os.truncate(tmp_path / "0.npy", 200)
    with pytest.raises(OSError, match="cut short"):
        stored[8]


def test_files_are_closed(folder):
    open_files = len(os.listdir("/proc/self/fd"))
    stored = store(draw(3), folder).select(np.array([1]))
    assert len(os.listdir("/proc/self/fd")) == open_files + 1
    del stored
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_a_deleted_file_is_still_read(tmp_path):
    whole = draw(5)
    stored = store(whole, tmp_path)
    (tmp_path / "0.npy").unlink()
    np.testing.assert_array_equal(stored, whole)


def test_an_array_of_them_is_a_copy(folder):
    stored = store(draw(2), folder)
    assert np.asarray(stored, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="without a copy"):
        np.array(stored, copy=False)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3), np.uint8),
        np.zeros((2, 3, 4), np.int16),
        np.asfortranarray(np.zeros((2, 3, 4), np.uint8)),
        b"",
        b"not such a file",
        "cut",
    ],
    ids=str,
)
def test_other_files_are_refused(tmp_path, wrong):
    content = io.BytesIO()
    np.save(content, draw(4) if isinstance(wrong, (bytes, str)) else wrong)
    data = wrong if isinstance(wrong, bytes) else content.getvalue()
    path = tmp_path / "wrong.npy"
    path.write_bytes(data[:-1] if isinstance(wrong, str) else data)
    with path.open("rb") as file, pytest.raises(ValueError, match=r"where images should be|cut short|magic"):
        open_images(file)


FRAME = Preprocessing(3, 7, "line")


def draw_ink(count):
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
    assert_written(write(draw_ink(count), tmp_path / "frames.npy" if named else None), draw_ink(count))
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
        writer.add(draw_ink(1)[0])
        writer.finish()
        os.replace(tmp_path / "unfinished", tmp_path / "kept.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "kept.npy"), draw_ink(1))


@pytest.mark.parametrize("path", ["gone/frames.npy", "there.npy"])
def test_where_the_file_cannot_be_made_frames_go_elsewhere(tmp_path, path):
    (tmp_path / "there.npy").write_bytes(b"another's")
    with ImageWriter(FRAME, tmp_path / path) as writer:
        assert writer.path is None
    assert_written(write(draw_ink(5), tmp_path / path), draw_ink(5))
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
        for image_HxW in draw_ink(10):
            writer.add(image_HxW)
        written = writer.finish()
        assert writer.path is None
        assert not list(tmp_path.iterdir())
    assert_written(written, draw_ink(10))


def test_without_a_folder_for_temporary_files_there_is_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert_written(write(draw_ink(4)), draw_ink(4))
