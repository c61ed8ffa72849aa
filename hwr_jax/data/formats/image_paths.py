"""The images of a table by the paths in it, which were written on another machine or from another folder, perhaps."""

import functools
import unicodedata
from pathlib import PurePosixPath

from hwr_jax.data.archives import Tree, inside

IMAGE_FOLDER = "images"  # beside the table, as docTR has it


class ImagePaths:
    """Finds images. How the first path that leads to an image is to be read holds for all paths of a table."""

    def __init__(self, tree: Tree, folder: str) -> None:
        """Args:
        tree, folder: the files, and the table's folder among them.
        """
        self._tree, self._folder = tree, folder
        self._rule: tuple[str, str] | None = None  # a folder of the tree, and what stands before a path inside it

    def find(self, path: str) -> str | None:
        """The image's name in the tree; one that is not there for a missing image; None if the path leaves the tree."""
        path = path.replace("\\", "/")
        for place, prefix in [self._rule] if self._rule else self._rules(path):
            # macOS decomposes accents in the names of files.
            for form in dict.fromkeys((path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")))):
                name = inside(place, form.removeprefix(prefix)) if form.startswith(prefix) else None
                if name and self._tree.content(name) is not None:
                    self._rule = place, prefix
                    return name
        return inside(self._folder, path)

    def _rules(self, path: str) -> list[tuple[str, str]]:
        """The path as it is, beside the table, in images/ or from the top; then without its first folders.

        The latter only where the very first is none in the table's folder: else a missing image would find another.
        """
        parts = path.split("/")
        prefixes = ["/".join([*parts[:count], ""]) for count in range(1, len(parts))]
        foreign = prefixes if parts[0] not in self._folders else []
        places = (self._folder, f"{self._folder}/{IMAGE_FOLDER}", "")
        return [*((place, "") for place in places), *((self._folder, prefix) for prefix in foreign)]

    @functools.cached_property
    def _folders(self) -> set[str]:
        """Those in the table's folder."""
        depth = len(PurePosixPath(self._folder).parts)
        paths = [PurePosixPath(name) for name in self._tree.names()]
        return {
            path.parts[depth] for path in paths if path.is_relative_to(self._folder) and len(path.parts) > depth + 1
        }
