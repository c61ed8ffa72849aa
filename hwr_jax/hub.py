"""Models of a hub: hf://OWNER/NAME is fetched into huggingface_hub's cache when somebody asks for it, and checked."""

import functools
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwr_jax.errors import InputError
from hwr_jax.messages import count_of
from hwr_jax.page_config import LINE_FINDER_FILE

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
# What an exported folder is made of, none of which can hold code. Other files of a repository stay where they are.
FILES = ("*.json", "*.safetensors", "*.npz", "*.md")
# Of a recognizer, of a line finder
_DESCRIPTIONS = ("model.json", LINE_FINDER_FILE)
# The package's own models have 2 to 10 MB; what is larger than this is something else.
MOST_BYTES = 2_000_000_000


def is_address(name_or_path: str) -> bool:
    """Whether it names a model of a hub."""
    return name_or_path.startswith(SCHEME)


def parse_address(address: str) -> tuple[str, str | None]:
    """ "hf://OWNER/NAME@REVISION" -> "OWNER/NAME" and the branch, tag or commit, None without one.

    Raises InputError.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise InputError(f"{address}: is no address of a model; write hf://OWNER/NAME or hf://OWNER/NAME@REVISION")
    return found[1], found[2]


@functools.lru_cache
def pull(address: str) -> Path:
    """The folder of a hub's model, fetched into the cache where it is not there yet; once a process.

    Where there is no network, or `HF_HUB_OFFLINE` says so, it is what the cache has. Sizes are checked before anything
    is fetched, and afterwards the hash of each file against the one that the hub names.

    Raises InputError: a wrong address, no such model, one that is too large or damaged, or huggingface_hub is missing.
    """
    repository, revision = parse_address(address)
    download = functools.partial(import_hub().snapshot_download, repository, revision=revision, allow_patterns=[*FILES])
    try:
        folder = Path(_download(download, address))
    except Exception as error:
        raise describe_hub_error(error, address) from error
    if not any((folder / name).exists() for name in _DESCRIPTIONS):
        raise InputError(f"{address}: holds no model of hwr_jax, which has a {' or a '.join(_DESCRIPTIONS)}")
    if damaged := [path for path in sorted(folder.rglob("*")) if path.is_file() and not is_whole(path)]:
        for path in damaged:
            path.resolve().unlink()
        raise InputError(
            f"{address}: {count_of(damaged, 'file')} not as the hub has them, such as {damaged[0].name}; they are "
            "deleted, so the same command fetches them again"
        )
    return folder


def _download(download: Callable[..., Any], address: str) -> str:
    """The folder. Nothing is fetched whose size nobody has looked at: where the hub tells none, the cache must do."""
    try:
        planned = download(dry_run=True)
    except Exception as refused:
        try:
            return download(local_files_only=True)
        except Exception as missing:
            # What a hub answers says more than that the cache has nothing.
            answer = refused.__cause__
            raise answer if isinstance(answer, import_hub().errors.HfHubHTTPError) else missing from None
    if (size := sum(one.file_size for one in planned)) > MOST_BYTES:
        raise InputError(f"{address}: has {size / 1e9:.2g} GB, more than the {MOST_BYTES / 1e9:g} GB of any model")
    return download()


def is_whole(path: Path) -> bool:
    """Whether a file of the cache has the hash by which the hub knows it, which is the name of what it links to.

    That is SHA-256 for large files, and what git computes, SHA-1 with a head, for others. A file that is no link is
    one of a system without them, where nothing says what its hash should be.
    """
    if not path.is_symlink():
        return True
    content, named = path.read_bytes(), path.resolve().name
    if len(named) == 64:
        return hashlib.sha256(content).hexdigest() == named
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == named


def import_hub() -> Any:
    """huggingface_hub; InputError where it is not installed."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise InputError(f"{SCHEME}: needs huggingface_hub: pip install 'hwr-jax[hub]'") from error
    return huggingface_hub


def describe_hub_error(error: Exception, address: str) -> InputError:
    """One line of what a hub, or the way to it, says. The library raises errors of several others."""
    if isinstance(error, InputError):
        return error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__.removesuffix("Error")).lower()
    return InputError(f"{address}: {named}: {lines[0] if lines else 'no reason given'}")
