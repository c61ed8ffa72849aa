"""What is installed beside the package: its requirements and those of its extras, and whether versions fit."""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

DISTRIBUTION = "hwr_jax"
_EXTRA = re.compile(r'extra == "([^"]+)"')


@dataclasses.dataclass(frozen=True)
class Required:
    """A distribution that the package, or an extra of it, needs."""

    name: str
    extra: str  # "" where the package itself needs it
    wanted: str  # versions, such as ">=0.7,<0.12"
    installed: str | None  # version; None where it is missing

    @property
    def is_right(self) -> bool:
        """Whether it is there in a version that fits."""
        return self.installed is not None and Requirement(f"x{self.wanted}").specifier.contains(
            self.installed, prereleases=True
        )

    def describe(self) -> str:
        """What is wrong with it, where it is not right, and what to do."""
        found = f"{self.name} {self.installed} is installed" if self.installed else f"{self.name} is not installed"
        return f"{found}; pip install '{self.name}{self.wanted}'"


def find_required() -> list[Required]:
    """All that the installed package names; [] where it is not installed, such as in a copied folder."""
    return parse_required(_requires(DISTRIBUTION), _version, _requires)


def parse_required(
    lines: Iterable[str], version_of: Callable[[str], str | None], requires_of: Callable[[str], Iterable[str]]
) -> list[Required]:
    """The requirements of a distribution's metadata: of the package first, then by extra, each in alphabetical order.

    Lines that cannot be read, or that are for other systems, are left out.

    Args:
      lines: of the metadata, such as 'jax[tpu]>=0.7; extra == "tpu"'.
      version_of: says which version of a distribution is installed, None for none.
      requires_of: gives these lines of another distribution, whose extras ours may need.
    """
    found = set()
    for requirement in _parse(lines):
        for extra in _extras(requirement):
            for needed in (requirement, *_of_extras(requirement, requires_of)):
                found.add(Required(needed.name, extra, str(needed.specifier), version_of(needed.name)))
    return sorted(found, key=lambda required: (required.extra, required.name.lower(), required.wanted))


def _parse(lines: Iterable[str]) -> Iterator[Requirement]:
    for line in lines:
        with contextlib.suppress(InvalidRequirement):
            yield Requirement(line)


def _extras(requirement: Requirement) -> list[str]:
    """Whom a requirement is for on this system: extras, or "" for the package itself."""
    if requirement.marker is None:
        return [""]
    named = _EXTRA.findall(str(requirement.marker)) or [""]
    return [extra for extra in named if requirement.marker.evaluate({"extra": extra})]


def _of_extras(requirement: Requirement, requires_of: Callable[[str], Iterable[str]]) -> list[Requirement]:
    """What the extras of a requirement need in turn: of "jax[tpu]" libtpu."""
    if not requirement.extras:
        return []
    return [needed for needed in _parse(requires_of(requirement.name)) if requirement.extras & {*_extras(needed)}]


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
