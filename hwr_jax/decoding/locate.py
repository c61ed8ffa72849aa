"""Where the characters of texts are in the frames they were read from."""

from collections.abc import Sequence

import numpy as np

from hwr_jax.decoding.alignment import align_texts, frames_to_columns, place_characters
from hwr_jax.decoding.beam import CLASSES_WITHOUT_CHARACTER

# As many rows a program as `hwr_jax.decoding.decoder` takes, and as many characters as there are frames, so that few
# programs are compiled and no row depends on the others.
_ROWS = 64


def keep_characters(ids: Sequence[int], num_classes: int) -> tuple[int, ...]:
    """The ids that stand for a character."""
    return tuple(id for id in ids if 1 <= id <= num_classes - CLASSES_WITHOUT_CHARACTER)


def locate_characters(
    log_probs_NxTxK: np.ndarray, texts: Sequence[Sequence[int]], width_px: int, frames_N: np.ndarray | None = None
) -> list[np.ndarray | None]:
    """The columns of each character's frames, by forced alignment; see `align_texts`.

    Args:
      log_probs_NxTxK: natural log probabilities of the classes in each frame.
      texts: for each row the class ids of its characters.
      width_px: of the images that the frames came from, as many as T frames cover.
      frames_N: how many frames of each row count, the others are padding; None: all.

    Returns:
      For each row left and right of its characters, float64 [L, 2] in pixels, or None where the text does not fit the
      frames.
    """
    count, frames, _ = log_probs_NxTxK.shape
    frames_N = np.full(count, frames) if frames_N is None else frames_N
    located: list[np.ndarray | None] = []
    for start in range(0, count, _ROWS):
        part = log_probs_NxTxK[start : start + _ROWS]
        filled = np.zeros((_ROWS, *part.shape[1:]), np.float32)
        filled[: len(part)] = part
        ids_BxL = np.zeros((_ROWS, frames), np.int32)
        lengths_B, frames_B = np.zeros(_ROWS, np.int32), np.zeros(_ROWS, np.int32)
        frames_B[: len(part)] = frames_N[start : start + _ROWS]
        for row, ids in enumerate(texts[start : start + _ROWS]):
            if len(ids) <= frames:  # Longer ones do not fit, and their rows stay empty.
                ids_BxL[row, : len(ids)], lengths_B[row] = ids, len(ids)
        alignment = align_texts(filled, ids_BxL, lengths_B, frames_B)
        first_BxL, last_BxL = np.asarray(alignment.first_BxL), np.asarray(alignment.last_BxL)
        left_BxL, right_BxL = frames_to_columns(first_BxL, last_BxL, frames, width_px)
        for row in range(len(part)):
            length = len(texts[start + row])
            columns_Lx2 = np.stack([left_BxL[row, :length], right_BxL[row, :length]], axis=1)
            located.append(columns_Lx2 if length <= frames and not np.isnan(columns_Lx2).any() else None)
    return located


def settle_characters(columns_Lx2: np.ndarray, inked: tuple[float, float]) -> np.ndarray:
    """Whole places of a text's characters: they cover the ink and touch, see `place_characters`.

    Recurrent layers often tell the first character in the first frame of all, and the last in the last, wherever they
    stand. So the outermost are moved to where half a character of mean width from the end of the ink is, if they lie
    further out than that.

    Args:
      columns_Lx2: left and right of the characters' frames, in pixels of the image.
      inked: where the ink begins and ends, in pixels of the image.

    Returns:
      left and right of each character, float64 [L, 2].
    """
    count = len(columns_Lx2)
    begin, end = inked
    if not count:
        return columns_Lx2
    half = (end - begin) / count / 2
    settled_Lx2 = np.clip(columns_Lx2, begin, end)
    if count > 1:
        first, last = settled_Lx2[0].mean(), settled_Lx2[-1].mean()
        # Never past the neighbour.
        settled_Lx2[0] = max(first, min(begin + half, settled_Lx2[1, 0]))
        settled_Lx2[-1] = min(last, max(end - half, settled_Lx2[-2, 1]))
    left_1xL, right_1xL = place_characters(settled_Lx2[None, :, 0], settled_Lx2[None, :, 1])
    placed_Lx2 = np.stack([left_1xL[0], right_1xL[0]], axis=1)
    placed_Lx2[0, 0], placed_Lx2[-1, 1] = begin, end
    return placed_Lx2
