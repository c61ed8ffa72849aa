"""A data set read once: what training would leave out of it, and what else looks wrong."""

import collections
import dataclasses
import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hwr_jax.config import DataConfig
from hwr_jax.data import splits
from hwr_jax.data.checks import kinds
from hwr_jax.data.checks.examination import Examination, Thumbnails, examine, find_label_faults, name_characters
from hwr_jax.data.checks.outliers import OddGroup, find_odd_groups, source_of
from hwr_jax.data.formats.table import page_pattern
from hwr_jax.data.labels import final_label, find_left_out
from hwr_jax.data.parallel import map_in_order
from hwr_jax.data.sample import Sample, Skip, describe_skips
from hwr_jax.data.small_sets import BY_UNIT, choose_rule, count_writers, divide_by_unit, remark_on_splits
from hwr_jax.data.splits import AUTO, BY_WRITER, GIVEN, KERAS_EXAMPLE, SPLITS, remark_on_lists, split_of
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing, measure_widths
from hwr_jax.text.alphabet import Alphabet, alphabet_of

# Large images are under way a few chunks a worker at a time.
CHUNK_SAMPLES = 128
RARE_BELOW = 20
READING = "reading"

# Takes ids, labels as a run has them, and preprocessed images, uint8 [B, height_px, width_px].
SeeImages = Callable[[Sequence[str], Sequence[str], np.ndarray, np.ndarray], None]


@dataclasses.dataclass(frozen=True)
class CheckRules:
    """What a data set is held against."""

    data: DataConfig  # name, split rule and label forms of the run
    alphabet: Alphabet | None  # of the model; None: the characters of the training split
    preprocessing: Preprocessing  # of the model
    frames: int  # of its output
    # id -> split as the source gives it, beside what samples say themselves
    given: Mapping[str, str] = dataclasses.field(default_factory=dict)
    listed: Callable[[], Sequence[str]] | None = None  # ids in the source's own order, None where that is not known


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a check found."""

    items: int  # number of samples and skips read
    split: str  # the rule of the splits, as `data.split` names it
    kept: dict[str, int]  # split -> samples that a run trains on or measures
    writers: dict[str, int | None]  # split -> number of their writers, None where they are not known
    remarks: list[str]  # what to know of the splits, see `hwr_jax.data.small_sets.remark_on_splits`
    # "reading" (no image, label or split) or a split -> id -> reason; of the splits, these are what training reports at
    # its start. Validation and test keep labels that cannot be trained on.
    left_out: dict[str, dict[str, str]]
    # kind (see `hwr_jax.data.checks.kinds`) -> id, writer or page -> detail, in the order of the kinds
    cases: dict[str, dict[str, str]]
    outside: dict[str, int]  # character outside the alphabet -> labels with it, the most frequent first
    lengths: dict[int, int]  # label length -> labels of all splits
    characters: dict[str, int]  # character -> occurrences in training labels, the most frequent first
    # character of any label or of a named alphabet, seen fewer than RARE_BELOW times in training -> times
    rare: dict[str, int]
    odd: dict[str, tuple[OddGroup, ...]]  # "sources" and "writers" with labels unlike all others'
    texts: dict[str, str]  # id -> label as read, of the samples in `cases`
    thumbnails: Thumbnails  # of some of them

    @property
    def drops(self) -> int:
        """Number of samples that training would leave out."""
        return sum(map(len, self.left_out.values()))

    def plain(self) -> dict[str, Any]:
        """All but the thumbnails, as plain values for JSON."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del fields["thumbnails"]
        fields["odd"] = {what: [dataclasses.asdict(group) for group in groups] for what, groups in self.odd.items()}
        return {**fields, "counts": {kind: len(found) for kind, found in self.cases.items()}}


def check_data(
    items: Iterable[Sample | Skip], rules: CheckRules, *, workers: int = 1, see_images: SeeImages | None = None
) -> Findings:
    """Reads, opens and preprocesses every sample once; of the images only a bounded number of thumbnails is kept.

    The items are a format's, or those of prepared splits with what was skipped when they were prepared. `see_images` is
    called with the samples that could be preprocessed, some at a time, in their order. Raises InputError if no sample
    can be read, two have one id, or the split rule needs what is not there.
    """
    reading = _Reading(rules)
    items, ahead = itertools.tee(items)
    look = functools.partial(examine, preprocessing=rules.preprocessing, keep_image=see_images is not None)
    examinations = map_in_order(look, ahead, workers=workers, chunk_items=CHUNK_SAMPLES)
    pairs = zip(items, examinations, strict=True)
    while batch := list(itertools.islice(pairs, CHUNK_SAMPLES)):
        for item, examination in batch:
            reading.add(item, examination)
        if see_images is not None and (seen := [(i, e.image_HxW) for i, e in batch if e.image_HxW is not None]):
            samples = [item for item, _ in seen if isinstance(item, Sample)]
            labels = [_label(sample.text, rules.data) for sample in samples]
            images_BxHxW = np.stack([image_HxW for _, image_HxW in seen])
            widths_B = measure_widths(images_BxHxW, rules.preprocessing)
            see_images([sample.id for sample in samples], labels, images_BxHxW, widths_B)
    return reading.conclude()


class _Reading:
    """What is kept of the samples read so far: texts, names and digests."""

    def __init__(self, rules: CheckRules) -> None:
        self._rules = rules
        self._texts: dict[str, str] = {}
        self._writers: dict[str, str] = {}
        self._given = dict(rules.given)
        self._unreadable: dict[str, str] = {}
        self._frames: dict[str, int] = {}
        self._skipped: dict[str, str] = {}
        self._ids_of_pixels: dict[bytes, str | list[str]] = {}
        self._cases: dict[str, dict[str, str]] = {kind: {} for kind in kinds.MEANING}
        self._thumbnails = Thumbnails()

    def add(self, item: Sample | Skip, examination: Examination) -> None:
        """Takes one in."""
        if isinstance(item, Skip):
            self._skipped[item.id] = item.reason
            return
        if item.id in self._texts:
            raise InputError(f"{item.id}: two samples have this id; ids must be unique within a data set")
        self._texts[item.id], self._writers[item.id] = item.text, item.writer
        if item.split:
            self._given[item.id] = item.split
        if examination.reason is not None:
            self._unreadable[item.id] = examination.reason
        rules = self._rules
        stride_px = rules.preprocessing.width_px // rules.frames
        frames = rules.frames if examination.reason else min(rules.frames, -(-examination.width // stride_px))
        if rules.data.preprocessing == "line":
            self._frames[item.id] = frames
        label_faults = find_label_faults(item.text, rules.data, rules.alphabet, frames)
        for kind, detail in (*examination.faults, *label_faults):
            self._cases[kind][item.id] = detail
            self._thumbnails.offer(kind, item.id, examination.thumbnail_HxW)
        if examination.pixels:
            self._compare(item.id, examination)

    def _compare(self, id: str, examination: Examination) -> None:
        same = self._ids_of_pixels.setdefault(examination.pixels, id)
        if same == id:
            return
        ids = [same] if isinstance(same, str) else same
        self._ids_of_pixels[examination.pixels] = ids
        # Its splits are not known yet, so its thumbnail is kept for whichever kind it turns out to be.
        other = self._texts[ids[0]] != self._texts[id]
        for kind in (kinds.OTHER_LABEL if other else kinds.SAME_LABEL, kinds.SEVERAL_SPLITS):
            for one in (ids[0], id) if len(ids) == 1 else (id,):
                self._thumbnails.offer(kind, one, examination.thumbnail_HxW)
        ids.append(id)

    def conclude(self) -> Findings:
        """Divides the samples and concludes what was found."""
        readable = [id for id in self._texts if id not in self._unreadable]
        if not readable:
            reasons = collections.Counter([*self._skipped.values(), *self._unreadable.values()])
            raise InputError(f"data {self._rules.data.name!r}: no sample can be read; {describe_skips(reasons)}")
        rules, data = self._rules, self._rules.data
        page_id = page_pattern(data.name)
        division = divide(data.split, self._writers, self._given, rules.listed, page_id)
        labels = {id: _label(self._texts[id], data) for id in readable}
        ids = {split: [id for id in readable if division.split.get(id) == split] for split in SPLITS}
        # A set so small that no writer is for training is still worth a look.
        seen = ids["train"] or readable
        alphabet = rules.alphabet or alphabet_of(labels[id] for id in seen)
        left_out = self._leave_out(ids, labels, alphabet, division)
        cases = self._find_cases(division.split, labels, alphabet)
        kept = {split: [id for id in ids[split] if id not in left_out[split]] for split in SPLITS}
        characters = collections.Counter("".join(labels[id] for id in ids["train"]))
        named = rules.alphabet.characters if rules.alphabet else ""
        every = sorted({*named, *"".join(labels.values())})
        texts = {id: self._texts[id] for found in cases.values() for id in found if id in self._texts}
        return Findings(
            items=len(self._texts) + len(self._skipped),
            split=division.rule,
            kept={split: len(ids) for split, ids in kept.items()},
            writers={
                split: count_writers({id: self._writers[id] for id in ids}, page_id) for split, ids in kept.items()
            },
            remarks=self._remark(division.rule, {split: len(found) for split, found in ids.items()}, readable),
            left_out=left_out,
            cases=cases,
            outside=dict(
                collections.Counter(c for text in labels.values() for c in alphabet.outside(text)).most_common()
            ),
            lengths=dict(sorted(collections.Counter(map(len, labels.values())).items())),
            characters=dict(characters.most_common()),
            rare={c: characters[c] for c in every if characters[c] < RARE_BELOW},
            odd={
                "sources": find_odd_groups(list(labels.values()), [source_of(id) for id in labels]),
                "writers": find_odd_groups(list(labels.values()), [self._writers[id] for id in labels]),
            },
            texts=texts,
            thumbnails=self._thumbnails,
        )

    def _remark(self, rule: str, sizes: Mapping[str, int], ids: Sequence[str]) -> list[str]:
        people = count_writers(self._writers, page_pattern(self._rules.data.name))
        return remark_on_splits(rule, sizes, people) + remark_on_lists(rule, ids)

    def _leave_out(
        self, ids: Mapping[str, Sequence[str]], labels: Mapping[str, str], alphabet: Alphabet, division: "Division"
    ) -> dict[str, dict[str, str]]:
        """As training does, by the function it calls: see `hwr_jax.data.loading.load_for_training`."""
        split = division.split
        unreadable = {
            name: {id: why for id, why in self._unreadable.items() if split.get(id) == name} for name in SPLITS
        }
        nowhere = {id: why for id, why in self._unreadable.items() if id not in split}
        frames = [self._frames[id] for id in ids["train"]] if self._frames else self._rules.frames
        train = {id: labels[id] for id in ids["train"]}
        unreadable["train"] |= {id: why for id, why in division.in_none.items() if id in labels}
        unreadable["train"] |= find_left_out(train, alphabet, frames, self._rules.data.outside_alphabet)
        return {READING: self._skipped | nowhere, **unreadable}

    def _find_cases(
        self, split: Mapping[str, str], labels: Mapping[str, str], alphabet: Alphabet
    ) -> dict[str, dict[str, str]]:
        cases = self._cases
        cases[kinds.UNREADABLE] = dict(self._unreadable)
        if self._rules.alphabet is None:
            outside = {id: alphabet.outside(label) for id, label in labels.items()}
            cases[kinds.OUTSIDE] = {id: name_characters(found) for id, found in outside.items() if found}
        groups = [ids for ids in self._ids_of_pixels.values() if isinstance(ids, list)]
        where = {id: split.get(id, "no split") for id in labels}
        cases |= find_duplicates(groups, labels, where)
        cases |= find_leaks(self._rules.data.name, self._writers, split)
        return {kind: cases[kind] for kind in kinds.MEANING if cases[kind]}


def _label(text: str, config: DataConfig) -> str:
    return final_label(unicodedata.normalize("NFC", text), config)


@dataclasses.dataclass(frozen=True)
class Division:
    """Which split each sample is in."""

    rule: str  # as `data.split` names it
    split: dict[str, str]  # id -> split; ids in no split are absent
    in_none: dict[str, str] = dataclasses.field(default_factory=dict)  # id -> reason why it is in no split


def divide(
    rule: str,
    writers: Mapping[str, str],
    given: Mapping[str, str],
    listed: Callable[[], Sequence[str]] | None,
    page_id: re.Pattern[str] | None = None,
) -> Division:
    """Divides samples as `hwr_jax.data.loading.load_split` does.

    The rule is `data.split` of a config; `writers` (id -> writer) has all samples; `given` is id -> split as the source
    gives them; `listed` gives the ids in the source's own order, None where that is not known; `page_id` is the
    format's. Raises InputError if the rule needs what is not there, or names lists that cannot be read.
    """
    if rule == AUTO:
        rule = choose_rule(writers, page_id)
    if rule == BY_WRITER:
        of_writer = {writer: split_of(writer) for writer in set(writers.values())}
        return Division(rule, {id: of_writer[writer] for id, writer in writers.items()})
    if rule in BY_UNIT:
        parts = divide_by_unit(rule, writers, page_id)
        return Division(rule, {id: name for name, ids in parts.items() for id in ids})
    if rule == GIVEN and not given:
        raise InputError("data.split='given': the source gives no splits; use 'writer', or lists of ids")
    if rule == KERAS_EXAMPLE and listed is None:
        raise InputError("data.split='keras_example': needs prepared data; run hwr data prepare and leave --source out")
    ids = listed() if rule == KERAS_EXAMPLE and listed else [*writers]
    parts, in_none = splits.divide(rule, ids, writers, given)
    return Division(rule, {id: name for name, ids in parts.items() for id in ids if id in writers}, in_none)


def find_leaks(name: str, writers: Mapping[str, str], split: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Kind -> writer or page -> samples in each split, of those in several; ids of some formats alone name pages."""
    by_writer: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    by_page: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    pattern = page_pattern(name)
    for id, part in split.items():
        by_writer[writers[id]][part] += 1
        if pattern is not None and (page := pattern.fullmatch(id)):
            by_page[page[1]][part] += 1
    return {kinds.WRITERS_LEAK: _in_several(by_writer), kinds.PAGES_LEAK: _in_several(by_page)}


def find_duplicates(
    groups: Sequence[Sequence[str]], text_of: Mapping[str, str], split_of: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Kind -> id -> the others of its group, of groups of ids of images with the same pixels."""
    found: dict[str, dict[str, str]] = {kinds.OTHER_LABEL: {}, kinds.SEVERAL_SPLITS: {}, kinds.SAME_LABEL: {}}
    for ids in groups:
        mine = [kinds.OTHER_LABEL if len({text_of[id] for id in ids}) > 1 else kinds.SAME_LABEL]
        mine += [kinds.SEVERAL_SPLITS] * (len({split_of[id] for id in ids}) > 1)
        more = f" and {len(ids) - 4:,} more" if len(ids) > 4 else ""
        for kind in mine:
            remarks = {kinds.OTHER_LABEL: " {text!r}", kinds.SEVERAL_SPLITS: " ({split})", kinds.SAME_LABEL: ""}[kind]
            named = {id: id + remarks.format(text=text_of[id], split=split_of[id]) for id in ids}
            for id in ids:
                others = [named[other] for other in ids if other != id][:3]
                found[kind][id] = "as " + ", ".join(others) + more
    return found


def _in_several(counts: Mapping[str, collections.Counter[str]]) -> dict[str, str]:
    return {
        name: ", ".join(f"{count:,} in {part}" for part, count in sorted(parts.items()))
        for name, parts in sorted(counts.items())
        if len(parts) > 1
    }
