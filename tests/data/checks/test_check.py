"""A data set read once, in agreement with training: its splits, and who is in several."""

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.config import DataConfig, ExperimentConfig, ModelConfig
from hwr_jax.data.checks.check import CheckRules, Findings, check_data, divide, find_leaks
from hwr_jax.data.checks.examination import MOST_A_KIND
from hwr_jax.data.checks.kinds import (
    BLANK,
    INVERTED,
    OTHER_LABEL,
    OUTSIDE,
    PAGES_LEAK,
    SAME_LABEL,
    SEVERAL_SPLITS,
    TOO_LONG,
    UNREADABLE,
    WRITERS_LEAK,
)
from hwr_jax.data.loading import ensure_prepared, load_for_training, load_split
from hwr_jax.data.prepared import load_given_splits, load_prepared, prepare
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import SPLITS, divide_as_keras_example, split_of
from hwr_jax.errors import InputError
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.text.alphabet import resolve_alphabet

FRAME = Preprocessing()
TRAINER, TESTER = (next(f"w{n}" for n in range(99) if split_of(f"w{n}") == split) for split in ("train", "test"))


def image(seed: int, *, ink: int = 0, background: int = 255) -> bytes:
    grey = np.full((32, 100), background, np.uint8)
    columns = np.random.default_rng(seed).choice(90, 8, replace=False) + 5
    grey[8:20, columns] = ink
    encoded = io.BytesIO()
    Image.fromarray(grey).save(encoded, "PNG")
    return encoded.getvalue()


def rules(**changes: object) -> CheckRules:
    data = DataConfig(name="pairs", split="writer")
    return dataclasses.replace(CheckRules(data, resolve_alphabet("iam78"), FRAME, 32), **changes)


def items() -> list[Sample | Skip]:
    return [
        Sample("good", "word", TRAINER, image(0)),
        Sample("again", "word", TRAINER, image(0)),
        Sample("other", "sword", TESTER, image(1)),
        Sample("another", "words", TRAINER, image(1)),
        Sample("umlaut", "Übung", TRAINER, image(2)),
        Sample("umlaut, test", "Übung", TESTER, image(3)),
        Sample("long", "a" * 20, TRAINER, image(4)),
        Sample("dark", "dark", TRAINER, image(5, ink=255, background=0)),
        Sample("blank", "blank", TRAINER, image(6, ink=255)),
        Sample("broken", "broken", TRAINER, b"broken"),
        Sample("broken, test", "broken", TESTER, b"broken"),
        Skip("skipped", "quality BAD"),
    ]


def check(**changes: object) -> Findings:
    return check_data(items(), rules(**changes))


def test_what_training_leaves_out_and_what_else_is_odd() -> None:
    findings = check()
    outside = "label has characters outside the alphabet"
    assert findings.items == 12
    assert findings.left_out["reading"] == {"skipped": "quality BAD"}
    assert findings.left_out["train"].keys() == {"broken", "umlaut", "long"}
    assert findings.left_out["train"]["umlaut"] == outside
    assert findings.left_out["train"]["long"] == "label needs more than 32 frames"
    assert findings.left_out["test"].keys() == {"broken, test"}
    assert findings.drops == 5
    assert findings.kept == {"train": 5, "validation": 0, "test": 2}
    assert findings.writers == {"train": 1, "validation": 0, "test": 1}
    cases = {kind: set(found) for kind, found in findings.cases.items()}
    assert cases == {
        UNREADABLE: {"broken", "broken, test"},
        BLANK: {"blank"},
        INVERTED: {"dark"},
        OUTSIDE: {"umlaut", "umlaut, test"},
        TOO_LONG: {"long"},
        OTHER_LABEL: {"other", "another"},
        SEVERAL_SPLITS: {"other", "another"},
        SAME_LABEL: {"good", "again"},
    }
    assert findings.cases[OTHER_LABEL]["other"] == "as another 'words'"
    assert findings.cases[SEVERAL_SPLITS]["other"] == "as another (train)"
    assert findings.outside == {"Ü": 2}
    assert findings.lengths == {4: 3, 5: 5, 20: 1}
    assert findings.characters["a"] == 22
    assert findings.rare["Ü"] == 1
    assert findings.rare["z"] == 0
    assert "a" not in findings.rare
    for kind in (BLANK, INVERTED, OUTSIDE, TOO_LONG, OTHER_LABEL, SEVERAL_SPLITS, SAME_LABEL):
        assert set(findings.thumbnails.of(kind)) >= cases[kind], kind
    assert findings.texts.keys() == set().union(*cases.values())


def test_outside_alphabet_keep_and_the_alphabet_of_training() -> None:
    kept = check(data=DataConfig(name="pairs", split="writer", outside_alphabet="keep"))
    assert kept.left_out["train"].keys() == {"broken", "long"}
    assert kept.cases[OUTSIDE].keys() == {"umlaut", "umlaut, test"}
    own = check(alphabet=None)
    assert OUTSIDE not in own.cases
    assert own.left_out["train"].keys() == {"broken", "long"}
    samples = [*items(), Sample("é", "é", TESTER, image(9))]
    assert check_data(samples, rules(alphabet=None)).cases[OUTSIDE] == {"é": "é U+00E9"}


def test_plain_values_are_json_and_workers_change_nothing() -> None:
    many = [Sample(f"{n}", "word", f"w{n % 9}", image(n % 300)) for n in range(400)]
    plain = [json.dumps(check_data(iter(many), rules(), workers=workers).plain()) for workers in (1, 2)]
    assert plain[0] == plain[1]
    assert json.loads(plain[0])["counts"][SAME_LABEL] == 200


def test_pictures_are_bounded_and_frames_come_in_order() -> None:
    seen: list[str] = []

    def see(ids: object, texts: object, images_BxHxW: np.ndarray, widths_B: np.ndarray) -> None:
        assert widths_B.tolist() == [128] * len(ids)
        assert images_BxHxW.shape == (len(ids), 32, 128)
        assert set(texts) == {"dark"}
        seen.extend(ids)

    many = [Sample(f"{n}", "dark", "w", image(n, ink=255, background=0) if n % 5 else b"") for n in range(300)]
    findings = check_data(many, rules(), see_images=see)
    assert seen == [f"{n}" for n in range(300) if n % 5]
    assert len(findings.cases[INVERTED]) == 240
    assert len(findings.thumbnails.of(INVERTED)) == MOST_A_KIND


def test_nothing_to_read_and_one_id_twice() -> None:
    with pytest.raises(InputError, match="no sample can be read; 1 x quality BAD"):
        check_data([Skip("a", "quality BAD")], rules())
    with pytest.raises(InputError, match="a: two samples have this id"):
        check_data([Sample("a", "x", "w", image(1)), Sample("a", "y", "w", image(2))], rules())


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data with something of every kind to leave out, with splits of their own."""
    root = tmp_path_factory.mktemp("manifest")
    writers = [writer for split in SPLITS for writer in [w for w in map(str, range(99)) if split_of(w) == split][:2]]
    lines = []
    for number in range(30):
        text = {3: "Übung", 4: "b" * 30, 5: "naïve"}.get(number, "word")
        shape = (1, 2000) if number in (6, 21) else (20, 50)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, shape, np.uint8)).save(root / f"{number}.png")
        split = "" if number == 7 else ("train", "train", "val", "test")[number % 4]
        lines.append(f"{number}.png,{text},{writers[number % 6]},{split}\n")
    (root / "8.png").write_bytes(b"broken")
    (root / "data.csv").write_text("image,text,writer,split\n" + "".join(lines), encoding="utf-8")
    prepare("manifest/check", root / "data.csv", root / "prepared")
    return root / "prepared"


@pytest.mark.parametrize("split", ["writer", "given"])
@pytest.mark.parametrize("outside_alphabet", ["drop", "keep"])
def test_it_agrees_with_training(manifest: Path, split: str, outside_alphabet: str) -> None:
    data = DataConfig(
        "manifest/check", data_dir=str(manifest), split=split, outside_alphabet=outside_alphabet, workers=1
    )
    alphabet = resolve_alphabet("iam78")
    given = load_given_splits(data.name, manifest) if split == "given" else {}
    findings = check_data(all_of(manifest), CheckRules(data, alphabet, FRAME, 32, given))
    ensure_prepared(data)
    config = ExperimentConfig(data=data, model=ModelConfig())
    training, validation = load_for_training(config, alphabet, say=lambda line: None)
    assert findings.left_out["train"] == training.skipped
    assert findings.left_out["validation"] == validation.skipped
    assert findings.left_out["test"] == load_split(data, "test", FRAME).skipped
    assert findings.kept == {
        "train": len(training),
        "validation": len(validation),
        "test": len(load_split(data, "test", FRAME)),
    }
    assert (WRITERS_LEAK in findings.cases) == (split == "given")
    assert ("in no split of the source" in training.skipped.values()) == (split == "given")
    assert findings.drops >= 2


def all_of(folder: Path) -> Iterator[Sample]:
    for split in SPLITS:
        yield from load_prepared("manifest/check", split, folder)


WRITERS = {f"p{number % 7}/{number}": f"w{number % 5}" for number in range(60)}


def test_by_writer_no_writer_is_in_two_splits() -> None:
    division = divide("writer", WRITERS, {}, None)
    assert division.split == {id: split_of(writer) for id, writer in WRITERS.items()}
    assert not division.in_none
    assert not find_leaks("manifest", WRITERS, division.split)[WRITERS_LEAK]


def test_as_the_source_says() -> None:
    given = {"p0/0": "train", "p5/5": "test", "gone": "test"}
    division = divide("given", WRITERS, given, None)
    assert division.split == {"p0/0": "train", "p5/5": "test"}
    assert set(division.in_none.values()) == {"in no split of the source"}
    assert division.in_none.keys() == WRITERS.keys() - given.keys()
    assert find_leaks("alto_lines", WRITERS, division.split) == {
        WRITERS_LEAK: {"w0": "1 in test, 1 in train"},
        PAGES_LEAK: {},
    }
    with pytest.raises(InputError, match="the source gives no splits"):
        divide("given", WRITERS, {}, None)


def test_as_the_keras_example_which_mixes_writers() -> None:
    listed = [*WRITERS, "unreadable"]
    division = divide("keras_example", WRITERS, {}, lambda: listed)
    assert division.split == {
        id: split for split, ids in divide_as_keras_example(listed).items() for id in ids if id in WRITERS
    }
    leaks = find_leaks("page_lines/mine", WRITERS, division.split)
    assert leaks[WRITERS_LEAK]
    assert leaks[PAGES_LEAK].keys() <= {f"p{number}" for number in range(7)}
    assert leaks[PAGES_LEAK]
    assert not find_leaks("pairs", WRITERS, division.split)[PAGES_LEAK]
    with pytest.raises(InputError, match="needs prepared data"):
        divide("keras_example", WRITERS, {}, None)


def test_by_lists(tmp_path: Path) -> None:
    for name, form in (("tr.lst", "a01-000u"), ("va.lst", "a01-001"), ("te.lst", "a01-000u-02")):
        (tmp_path / name).write_text(form + "\n")
    writers = {f"a01-{form}-0{line}-00": "w" for form in ("000u", "001", "002x") for line in (1, 2)}
    division = divide(str(tmp_path), writers, {}, None)
    assert division.split["a01-000u-01-00"] == "train"
    assert division.split["a01-000u-02-00"] == "test"
    assert division.split["a01-001-02-00"] == "validation"
    assert division.in_none.keys() == {"a01-002x-01-00", "a01-002x-02-00"}
    assert find_leaks("iam_words", writers, division.split)[PAGES_LEAK] == {"a01-000u": "1 in test, 1 in train"}
