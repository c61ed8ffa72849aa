"""IAM words, lines and sentences in the layout in which the database is distributed.

Marti, Bunke, "The IAM-database: an English sentence database for offline handwriting recognition", IJDAR 5, 2002.
Word labels are in words.txt, one a line: id, ok | err, grey level, x, y, w, h, tag, transcription. Those of lines are
in lines.txt: id, ok | err, grey level, components, x, y, w, h, transcription with | between its words. sentences.txt is
as lines.txt with the line's number after the id; it has an entry for each line of a sentence.
"""

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from hwr_jax.data.archives import decode_text, read_tar, walk_files
from hwr_jax.data.formats.base import INK, DataTerms, Format, Option, TellTotal, ignore_total
from hwr_jax.data.formats.entries import check_image, is_image
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class _Kind:
    """One of the database's three cuts."""

    name: str  # of the folder of images
    labels: str  # the file of labels
    id: re.Pattern[str]  # what ids look like
    status: int  # the column that says ok or err, counted from 0
    columns: int  # before the transcription
    layout: str  # of an entry, for messages


_FORM = r"[a-z]\d\d-\d\d\d[a-z]?"
# Of a tree of one's own; what begins as IAM's ids must be one of the kind.
_OWN_ID = re.compile(rf"(?!{_FORM}-)[\w.-]*\d")
_LINE = "ok|err grey components x y w h text|of|line"
_WORDS = _Kind("words", "words.txt", re.compile(_FORM + r"-\d\d-\d\d"), 1, 8, "id ok|err grey x y w h tag word")
_LINES = _Kind("lines", "lines.txt", re.compile(_FORM + r"-\d\d"), 1, 8, f"id {_LINE}")
_SENTENCES = _Kind("sentences", "sentences.txt", re.compile(_FORM + r"-s\d\d-\d\d"), 2, 9, f"id line {_LINE}")


def _parse(
    source: Path, *, kind: _Kind, workers: int, tell_total: TellTotal = ignore_total, keep_err: bool = False
) -> Iterator[Sample | Skip]:
    """The images of one kind, each opened once to see that it is whole.

    Ids are IAM's; in trees of one's own, the names of images up to their suffix, whatever their folders. A writer is
    forms.txt's writer id; where there is no forms.txt, or it does not name the form, the form's id (of own ids all up
    to the last -) stands for its writer: then no form is in two splits, but a writer of several forms may be. The | of
    a line's transcription becomes a space, also before punctuation, which is a word in lines.txt. Of sentences there is
    a sample for each line that one runs over; its id does not begin with that of the line, so lists of lines do not
    name it; lists of forms do. Samples come in the order of the labels, or of the archive if the images lie in one.

    The source is a folder that holds words.txt (or ascii/words.txt, or ascii.tgz) and words/ (or words.tgz), and best
    forms.txt beside words.txt; or the path of words.tgz with the rest beside it. Lines and sentences likewise. With
    `keep_err` the lines marked err are kept. The mark says that words of the line could not be told apart; IAM's
    authors note that image and transcription of the whole line should not be worse for it. Raises InputError: the
    source is missing or has another layout.
    """
    images, labels_file, texts = _find_files(source, kind)
    labels = [line for line in texts[kind.labels].splitlines() if line.strip() and not line.startswith("#")]
    rows = [line.split() for line in texts.get("forms.txt", "").splitlines() if not line.startswith("#")]
    found = {} if images.is_file() else _images_by_id(images)
    writers = {row[0]: row[1] for row in rows if len(row) >= 2}
    entries = _parse_labels(labels, writers, kind, keep_err)
    if not any(isinstance(entry, Sample) or kind.id.fullmatch(entry.id) for entry in entries):
        raise InputError(f"{labels_file}: no line looks like IAM's {kind.labels} ({kind.layout})")
    tell_total(len(entries))
    with_images = _from_archive(entries, images) if images.is_file() else _from_folder(entries, found)
    yield from map_in_order(check_image, with_images, workers=workers)


def _find_files(source: Path, kind: _Kind) -> tuple[Path, Path, dict[str, str]]:
    """The folder or archive of images, the file of labels; and its text and, if there is one, that of forms.txt."""
    name = kind.name
    if not source.exists():
        raise InputError(
            f"{source}: no such file or folder; give the folder that holds IAM's {kind.labels} and {name}/"
        )
    folder = source if source.is_dir() else source.parent

    def first(*names: str) -> Path | None:
        return next((folder / name for name in names if (folder / name).exists()), None)

    labels = first(kind.labels, f"ascii/{kind.labels}", "ascii.tgz", "ascii.tar.gz", "ascii.tar")
    if labels is None:
        raise InputError(
            f"{folder}: no {kind.labels}, ascii/{kind.labels} or ascii.tgz; is this IAM's original layout?"
        )
    images = first(name, f"{name}.tgz", f"{name}.tar.gz", f"{name}.tar") if source.is_dir() else source
    if images is None:
        raise InputError(f"{folder}: no {name}/ folder and no {name}.tgz; is this IAM's original layout?")
    wanted = (kind.labels, "forms.txt")
    if labels.name == kind.labels:
        texts = {kind.labels: decode_text(labels.read_bytes())}
    else:
        files = read_tar(labels, lambda name: name.rsplit("/", 1)[-1] in wanted)
        texts = {file.name.rsplit("/", 1)[-1]: decode_text(file.read()) for file in files}
        if kind.labels not in texts:
            raise InputError(f"{labels}: no {kind.labels} in this archive")
    if forms := first("forms.txt", "ascii/forms.txt"):
        texts["forms.txt"] = decode_text(forms.read_bytes())
    return images, labels, texts


def _parse_labels(labels: list[str], writers: dict[str, str], kind: _Kind, keep_err: bool) -> list[Sample | Skip]:
    """Samples without their images yet; `writers` is form -> writer."""
    entries: list[Sample | Skip] = []
    seen: set[str] = set()
    for number, line in enumerate(labels, start=1):
        fields = line.split()
        entry_id = fields[0] if fields else ""
        text = " ".join(fields[kind.columns :])
        if kind is not _WORDS:
            text = " ".join(filter(None, text.split("|")))
        if not (kind.id.fullmatch(entry_id) or _OWN_ID.fullmatch(entry_id)) or len(fields) <= kind.status:
            entries.append(Skip(f"{kind.labels}, entry {number}", "line cannot be read", number))
        elif entry_id in seen:
            entries.append(Skip(f"{entry_id}, entry {number}", "id occurs twice", number))
        elif fields[kind.status] == "err" and not keep_err:
            entries.append(Skip(entry_id, "segmentation marked err"))
        elif not text:
            entries.append(Skip(entry_id, "empty label", number))
        else:
            parts = entry_id.split("-")
            form = "-".join(parts[:2] if kind.id.fullmatch(entry_id) else parts[:-1] or parts)
            entries.append(Sample(entry_id, unicodedata.normalize("NFC", text), writers.get(form, form), b"", number))
        seen.add(entry_id)
    return entries


def _images_by_id(folder: Path) -> dict[str, Path]:
    """Those of any folder of the tree, for trees of one's own are often flat."""
    names = (file for file in walk_files(folder) if is_image(file.name))
    return {PurePosixPath(file.name).stem: folder / file.name for file in names}


def _from_folder(entries: list[Sample | Skip], images: dict[str, Path]) -> Iterator[Sample | Skip]:
    for entry in entries:
        if isinstance(entry, Skip):
            yield entry
        elif entry.id in images:
            yield dataclasses.replace(entry, image=images[entry.id])
        else:
            yield Skip(entry.id, "image: no such file", entry.position)


def _from_archive(entries: list[Sample | Skip], archive: Path) -> Iterator[Sample | Skip]:
    """Skips first, then samples as their images come by, then those that never came."""
    yield from (entry for entry in entries if isinstance(entry, Skip))
    missing = {entry.id: entry for entry in entries if isinstance(entry, Sample)}
    for file in read_tar(archive, lambda name: is_image(name) and PurePosixPath(name).stem in missing):
        yield dataclasses.replace(missing.pop(PurePosixPath(file.name).stem), image=file.read())
    yield from (Skip(entry.id, "image: no such file", entry.position) for entry in missing.values())


parse_iam_words = functools.partial(_parse, kind=_WORDS)
parse_iam_lines = functools.partial(_parse, kind=_LINES)
parse_iam_sentences = functools.partial(_parse, kind=_SENTENCES)
_PAGE_ID = re.compile(rf"({_FORM})-.+")
_KEEP_ERR = (Option("keep_err", "keep what is marked err", switch=True),)
_TERMS = DataTerms(
    "IAM Handwriting Database", "terms of IAM", "given to those who register with its makers, whose terms hold"
)
_KNOWN: dict[str, Any] = {"language": "English", "medium": INK, "terms": _TERMS}
FORMATS = tuple(
    Format(f"iam_{kind}", parse, f"{what} of the IAM handwriting database.", options, unit, _PAGE_ID, **_KNOWN)
    for kind, parse, what, options, unit in (
        ("words", parse_iam_words, "Words", (), "word"),
        ("lines", parse_iam_lines, "Lines", _KEEP_ERR, "line"),
        ("sentences", parse_iam_sentences, "Sentences, line by line,", _KEEP_ERR, "line"),
    )
)
