"""IAM words in the layout in which the database is distributed.

Marti, Bunke, "The IAM-database: an English sentence database for offline handwriting recognition", IJDAR 5, 2002.
Word labels are in words.txt, one a line: id, ok | err, grey level, x, y, w, h, tag, transcription.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from hwr_jax.data.archives import read_tar
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey

_COLUMNS = 8  # before the transcription
_WORD_ID = re.compile(r"[a-z]\d\d-\d\d\d[a-z]?-\d\d-\d\d")
_LABEL_FILES = ("words.txt", "forms.txt")


@dataclasses.dataclass(frozen=True)
class _Places:
    """Where the parts of a copy of IAM lie."""

    words: Path  # the folder words/ or the archive words.tgz
    labels: Path  # words.txt, or an archive that holds it
    forms: Path | None


def read_iam_words(
    source: Path, *, workers: int, tell_total: Callable[[int], None] | None = None
) -> Iterator[Sample | Skip]:
    """The words of IAM, every image opened once to see that it is whole.

    Ids are IAM's word ids. A writer is forms.txt's writer id; where there is no forms.txt, or it does not name the
    form, the form's id stands for its writer: then no form is in two splits, but a writer of several forms may be.
    Transcriptions that hold spaces keep them. Order and content do not depend on `workers`; words come in the order of
    words.txt, or of the archive if the images lie in one.

    Args:
      source: a folder that holds words.txt (or ascii/words.txt, or ascii.tgz) and words/ (or words.tgz), and best
        forms.txt beside words.txt; or the path of words.tgz with the rest beside it.
      workers: processes.
      tell_total: called once with the number of words, before the first is yielded.

    Yields:
      A sample for each line of words.txt marked ok whose image is whole, a skip for others.

    Raises:
      InputError: the source is missing or has another layout.
    """
    places = _find_places(source)
    texts = _read_label_files(places)
    lines = [line for line in texts["words.txt"].splitlines() if line.strip() and not line.startswith("#")]
    writers = _writers(texts.get("forms.txt", ""))
    words = _parse_lines(lines, writers)
    if not any(_WORD_ID.fullmatch(word.id) for word in words):
        raise InputError(f"{places.labels}: no line looks like IAM's words.txt (id ok|err grey x y w h tag word)")
    if tell_total is not None:
        tell_total(len(words))
    with_images = _from_archive(words, places.words) if places.words.is_file() else _from_folder(words, places.words)
    yield from map_in_order(_check_image, with_images, workers=workers)


def _find_places(source: Path) -> _Places:
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; give the folder that holds IAM's words.txt and words/")
    folder = source if source.is_dir() else source.parent
    labels = _first(folder, "words.txt", "ascii/words.txt", "ascii.tgz", "ascii.tar.gz", "ascii.tar")
    if labels is None:
        raise InputError(f"{folder}: no words.txt, ascii/words.txt or ascii.tgz; is this IAM's original layout?")
    words = _first(folder, "words", "words.tgz", "words.tar.gz", "words.tar") if source.is_dir() else source
    if words is None:
        raise InputError(f"{folder}: no words/ folder and no words.tgz; is this IAM's original layout?")
    return _Places(words, labels, _first(folder, "forms.txt", "ascii/forms.txt"))


def _first(folder: Path, *names: str) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def _read_label_files(places: _Places) -> dict[str, str]:
    """Name -> text of words.txt and, if there is one, forms.txt."""
    if places.labels.name == "words.txt":
        texts = {"words.txt": _decode(places.labels.read_bytes())}
    else:
        files = read_tar(places.labels, lambda name: name.rsplit("/", 1)[-1] in _LABEL_FILES)
        texts = {file.name.rsplit("/", 1)[-1]: _decode(file.read()) for file in files}
        if "words.txt" not in texts:
            raise InputError(f"{places.labels}: no words.txt in this archive")
    if places.forms is not None:
        texts["forms.txt"] = _decode(places.forms.read_bytes())
    return texts


def _writers(forms_text: str) -> dict[str, str]:
    """Form id -> writer id."""
    rows = [line.split() for line in forms_text.splitlines() if not line.startswith("#")]
    return {row[0]: row[1] for row in rows if len(row) >= 2}


def _parse_lines(lines: list[str], writers: dict[str, str]) -> list[Sample | Skip]:
    """Samples without their images yet."""
    words: list[Sample | Skip] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        word_id = fields[0]
        text = " ".join(fields[_COLUMNS:])
        if not _WORD_ID.fullmatch(word_id) or len(fields) < 2:
            words.append(Skip(f"words.txt, entry {number}", "line cannot be read", number))
        elif word_id in seen:
            words.append(Skip(f"{word_id}, entry {number}", "id occurs twice", number))
        elif fields[1] != "ok":
            words.append(Skip(word_id, f"segmentation marked {fields[1]}"))
        elif not text:
            words.append(Skip(word_id, "empty label", number))
        else:
            form = "-".join(word_id.split("-")[:2])
            words.append(Sample(word_id, unicodedata.normalize("NFC", text), writers.get(form, form), b"", number))
        seen.add(word_id)
    return words


def _from_folder(words: list[Sample | Skip], folder: Path) -> Iterator[Sample | Skip]:
    for word in words:
        if isinstance(word, Skip):
            yield word
        else:
            first, second = word.id.split("-")[:2]
            path = folder / first / f"{first}-{second}" / f"{word.id}.png"
            yield dataclasses.replace(word, image=path)


def _from_archive(words: list[Sample | Skip], archive: Path) -> Iterator[Sample | Skip]:
    """Skips first, then samples as their images come by, then those that never came."""
    yield from (word for word in words if isinstance(word, Skip))
    missing = {f"{word.id}.png": word for word in words if isinstance(word, Sample)}
    for file in read_tar(archive, lambda name: name.rsplit("/", 1)[-1] in missing):
        yield dataclasses.replace(missing.pop(file.name.rsplit("/", 1)[-1]), image=file.read())
    yield from (Skip(word.id, "image: no such file", word.position) for word in missing.values())


def _check_image(word: Sample | Skip) -> Sample | Skip:
    if isinstance(word, Skip):
        return word
    try:
        open_grey(word.image, "image")
    except InputError as error:
        return Skip(word.id, str(error).split(" (")[0], word.position)
    return word


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
