"""The predictions of an evaluation, written as a table and read back."""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from hwr_jax.data.formats.table import page_pattern
from hwr_jax.data.small_sets import count_writers, find_units
from hwr_jax.data.splits import BY_PAGE
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.text.bootstrap import bootstrap_interval
from hwr_jax.text.distance import Edits, count_edits

# Of `Edits`: what is counted, and of what.
CHARACTERS, WORDS = ("character_edits", "characters"), ("word_edits", "words")
TSV_COLUMNS = ("id", "writer", "truth", "prediction", "confidence")

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_PLAIN = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
_ESCAPED = re.compile(r"\\.?", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class RecordedPrediction:
    """One sample as the file has it."""

    # As the sample has them
    id: str
    writer: str
    truth: str
    prediction: str  # the text read
    confidence: float  # the decoder's probability of the prediction, 0 .. 1: see `hwr_jax.decoding.decoder.Hypothesis`
    edits: Edits  # from the truth to the prediction


def groups_of(results: Sequence[RecordedPrediction], data: str, split_rule: str) -> tuple[str, list[str]]:
    """What the bootstrap draws, "writers", "pages" or "samples", and the group of each result.

    What stays in one split is drawn: splits by page or line measure writers that were trained on. Where no writer is
    known, or one alone, pages or samples are drawn, which is too narrow for other writers.
    """
    writers, page_id = {result.id: result.writer for result in results}, page_pattern(data)
    if not split_rule.startswith(("page-", "line-")) and (count_writers(writers, page_id) or 0) > 1:
        return "writers", [result.writer for result in results]
    pages = find_units(BY_PAGE, writers, page_id)
    if not split_rule.startswith("line-") and all(pages.values()) and len(set(pages.values())) > 1:
        return "pages", [pages[result.id] for result in results]
    return "samples", [result.id for result in results]


def rate_interval(
    results: Sequence[RecordedPrediction], groups: Sequence[str], wrong: str, length: str
) -> list[float] | None:
    """The 95 % bootstrap interval of the rate of two fields of `Edits`; None where there is nothing to divide by."""
    counts, lengths = ([getattr(result.edits, name) for result in results] for name in (wrong, length))
    interval = bootstrap_interval(counts, lengths, groups)
    return None if interval is None else list(interval)


def load_predictions(path: Path) -> tuple[RecordedPrediction, ...]:
    """The samples of a .tsv file, in its order.

    Raises InputError: no such file, or it is cut short or damaged: the message names the line.
    """
    try:
        # Not splitlines(): texts may hold separators that it knows and the file does not escape.
        lines = path.read_bytes().decode().split("\n")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; evaluate again") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: damaged, not UTF-8 text; evaluate again") from error
    if lines[0] != "\t".join(TSV_COLUMNS):
        raise InputError(f"{path}: does not begin with the columns {', '.join(TSV_COLUMNS)}; evaluate again")
    if lines.pop() != "" or not lines:
        raise InputError(f"{path}: cut short, its last line does not end; evaluate again")
    results: dict[str, RecordedPrediction] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            result = _parse(line)
        except ValueError as error:
            raise InputError(f"{path}: damaged in line {number} ({error}); evaluate again") from error
        if result.id in results:
            raise InputError(f"{path}: damaged in line {number} ({result.id} for the second time); evaluate again")
        results[result.id] = result
    return tuple(results.values())


def _parse(line: str) -> RecordedPrediction:
    """Raises ValueError with a few words."""
    fields = line.split("\t")
    if len(fields) != len(TSV_COLUMNS):
        raise ValueError(f"{len(fields)} columns instead of {len(TSV_COLUMNS)}")
    id, writer, truth, prediction, confidence = (_ESCAPED.sub(_plain, field) for field in fields)
    if not re.fullmatch(r"[0-9.]+(e-[0-9]+)?", confidence) or not 0 <= float(confidence) <= 1:
        raise ValueError(f"confidence {confidence!r}")
    return RecordedPrediction(id, writer, truth, prediction, float(confidence), count_edits(truth, prediction))


def _plain(match: re.Match[str]) -> str:
    if match[0] not in _PLAIN:
        raise ValueError(f"escape {match[0]!r}")
    return _PLAIN[match[0]]


def write_predictions(path: Path, results: Iterable[RecordedPrediction]) -> None:
    r"""A line of column names, then one a sample; no quotes, but \\, \t, \n and \r inside texts. Raises OSError."""
    lines = ["\t".join(TSV_COLUMNS)]
    for result in results:
        fields = (result.id, result.writer, result.truth, result.prediction, f"{result.confidence:.6g}")
        lines.append("\t".join(field.translate(_ESCAPES) for field in fields))
    write_text(path, "\n".join(lines) + "\n")
