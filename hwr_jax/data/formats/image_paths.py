"""The images of a table by the paths in it, which were written on another machine or from another folder, perhaps."""

import functools
from pathlib import PurePosixPath

from hwr_jax.data.archives import Tree, inside
from hwr_jax.data.formats.entries import is_image, name_form

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
            name = inside(place, path.removeprefix(prefix)) if path.startswith(prefix) else None
            if name and (found := name if self._tree.content(name) is not None else self._find_alike(name)):
                self._rule = place, prefix
                return found
        return inside(self._folder, path)

    def _find_alike(self, name: str) -> str | None:
        """The only image whose name differs in case, in the form of accents or by its suffix, which `name` lacks."""
        found = self._alike.get(name_form(name), ())
        return found[0] if len(found) == 1 else None

    @functools.cached_property
    def _alike(self) -> dict[str, list[str]]:
        """Names of images in the tree by their form, and by that without the suffix."""
        alike: dict[str, list[str]] = {}
        for name in filter(is_image, self._tree.names()):
            for form in (name_form(name), name_form(str(PurePosixPath(name).with_suffix("")))):
                alike.setdefault(form, []).append(name)
        return alike

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
