"""Small pictures of findings, bounded in number."""

import collections

import numpy as np

MOST_A_KIND = 24


class Thumbnails:
    """Keeps the first MOST_A_KIND pictures of each kind, so that their memory does not grow with the data."""

    def __init__(self) -> None:
        self._counts = collections.Counter[str]()
        self._pictures: dict[tuple[str, str], np.ndarray] = {}

    def offer(self, kind: str, id: str, picture_HxW: np.ndarray | None) -> None:
        """Keeps it if there is room."""
        if picture_HxW is not None and self._counts[kind] < MOST_A_KIND and (kind, id) not in self._pictures:
            self._counts[kind] += 1
            self._pictures[kind, id] = picture_HxW

    def of(self, kind: str) -> dict[str, np.ndarray]:
        """id -> picture, uint8, in the order in which they were offered."""
        return {id: picture for (of, id), picture in self._pictures.items() if of == kind}
