"""IAM words, read from small trees in the original layout."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwr_jax.data.formats.iam import parse_iam_lines, parse_iam_sentences, parse_iam_words
from hwr_jax.data.prepared import load_listed, prepare
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

WORDS = """#--- words.txt ---------------------------------------------------------------#
#
# iam database word information
#
a01-000u-00-00 ok 154 408 768 27 51 AT A
a01-000u-00-01 ok 154 507 766 213 48 NN MOVE
a01-000u-00-02 err 154 796 764 70 50 TO to

a01-000u-01-00 ok 156 395 932 441 100 NP Mr. B B C
a01-003-00-00 ok 182 921 185 121 57 , ,
a01-003-00-01 ok 182 0 0 1 1 NN missing
a01-003-00-02 ok 182 0 0 1 1 NN empty
a01-003-00-03 ok 182 0 0 1 1 NN truncated
a01-003-00-04 ok 182 0 0 1 1 NN text
b04-010-02-03 ok 182 0 0 1 1 NN last
b04-010-02-04 ok 182 0 0 1 1 NN
a01-000u-00-00 ok 154 408 768 27 51 AT again
nonsense
"""
FORMS = """# forms.txt
a01-000u 000 2 prt 7 5 52 36
a01-003 002 2 prt 8 6 70 47
"""
TEXTS = {
    "a01-000u-00-00": ("A", "000"),
    "a01-000u-00-01": ("MOVE", "000"),
    "a01-000u-01-00": ("Mr. B B C", "000"),
    "a01-003-00-00": (",", "002"),
    "b04-010-02-03": ("last", "b04-010"),
}
REASONS = {
    "a01-000u-00-02": "segmentation marked err",
    "a01-003-00-01": "image: no such file",
    "a01-003-00-02": "image: empty file",
    "a01-003-00-03": "image: damaged image",
    "a01-003-00-04": "image: not an image",
    "b04-010-02-04": "empty label",
    "a01-000u-00-00, entry 12": "id occurs twice",
    "words.txt, entry 13": "line cannot be read",
}


def png(word_id: str) -> bytes:
    rng = np.random.default_rng(list(word_id.encode()))
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (40, 90), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def image_files() -> dict[str, bytes]:
    """Name under words/ -> content, whole ones and damaged ones."""
    contents = {word_id: png(word_id) for word_id in TEXTS}
    contents["a01-000u-00-02"] = png("err")
    contents["a01-003-00-02"] = b""
    contents["a01-003-00-03"] = png("cut")[:500]
    contents["a01-003-00-04"] = b"this is no image"
    return {f"{i[:3]}/{'-'.join(i.split('-')[:2])}/{i}.png": content for i, content in contents.items()}


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def iam_tree(root: Path, *, labels: str = "") -> Path:
    write(root / "words", image_files())
    return write(root, {f"{labels}words.txt": WORDS.encode(), f"{labels}forms.txt": FORMS.encode()})


def write_tgz(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def read(source: Path, workers: int = 1) -> list[Sample | Skip]:
    return list(parse_iam_words(source, workers=workers))


def check(outcomes: list[Sample | Skip]) -> None:
    samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    assert {sample.id: (sample.text, sample.writer) for sample in samples} == TEXTS
    assert {sample.id: sample.image_bytes() for sample in samples} == {word_id: png(word_id) for word_id in TEXTS}
    assert {outcome.id: outcome.reason for outcome in outcomes if isinstance(outcome, Skip)} == REASONS


def test_the_unpacked_layout(tmp_path: Path) -> None:
    outcomes = read(iam_tree(tmp_path))
    check(outcomes)
    entries = [line.split()[0] for line in WORDS.splitlines() if line and not line.startswith("#")]
    assert [outcome.id for outcome in outcomes[:11]] == entries[:11]


def test_labels_in_the_folder_ascii(tmp_path: Path) -> None:
    check(read(iam_tree(tmp_path, labels="ascii/")))


@pytest.mark.parametrize("prefix", ["", "words/", "./"])
def test_words_in_an_archive(tmp_path: Path, prefix: str) -> None:
    write(tmp_path, {"words.txt": WORDS.encode(), "forms.txt": FORMS.encode()})
    write_tgz(tmp_path / "words.tgz", {prefix + name: content for name, content in image_files().items()})
    check(read(tmp_path))
    check(read(tmp_path / "words.tgz"))


@pytest.mark.parametrize("prefix", ["", "ascii/"])
def test_labels_in_an_archive_too(tmp_path: Path, prefix: str) -> None:
    write_tgz(tmp_path / "words.tgz", image_files())
    write_tgz(tmp_path / "ascii.tgz", {f"{prefix}words.txt": WORDS.encode(), f"{prefix}forms.txt": FORMS.encode()})
    check(read(tmp_path))


def test_without_forms_a_form_stands_for_its_writer(tmp_path: Path) -> None:
    tree = iam_tree(tmp_path)
    (tree / "forms.txt").unlink()
    assert {sample.writer for sample in read(tree) if isinstance(sample, Sample)} == {"a01-000u", "a01-003", "b04-010"}


def test_workers_change_nothing(tmp_path: Path) -> None:
    lines = [f"c01-0{n:02d}-{m:02d}-00 ok 1 1 1 1 1 NN word{n}" for n in range(20) for m in range(20)]
    write(tmp_path, {"words.txt": "\n".join(lines).encode()})
    write(tmp_path / "words", {f"c01/c01-0{n:02d}/c01-0{n:02d}-00-00.png": png(str(n)) for n in range(20)})
    outcomes = read(tmp_path, workers=2)
    assert sum(isinstance(outcome, Sample) for outcome in outcomes) == 20
    assert outcomes == read(tmp_path, workers=1)


@pytest.mark.parametrize("in_archive", [False, True])
@pytest.mark.parametrize(("id", "writer"), [("sub-sub-0", "sub-sub"), ("anna-0", "anna"), ("scan_0", "scan_0")])
@pytest.mark.parametrize("folder", ["", "deep/er/"])
def test_trees_of_ones_own(tmp_path: Path, id: str, writer: str, folder: str, in_archive: bool) -> None:
    """As people make them for programs that read IAM: ids of their own, columns without meaning, one flat folder."""
    ids = [id, id.replace("0", "12"), "gone-7"]
    write(tmp_path, {"words.txt": "".join(f"{one} X X X X X X X word{one}\n" for one in ids).encode()})
    images = {f"{folder}{one}.{suffix}": png(one) for one, suffix in zip(ids, ("png", "jpg"), strict=False)}
    if in_archive:
        write_tgz(tmp_path / "words.tgz", images)
    else:
        write(tmp_path / "words", images)
    outcomes = read(tmp_path)
    samples = {o.id: o for o in outcomes if isinstance(o, Sample)}
    assert {one: (o.text, o.image_bytes()) for one, o in samples.items()} == {
        one: (f"word{one}", png(one)) for one in ids[:2]
    }
    assert samples[id].writer == writer
    assert [(o.id, o.reason) for o in outcomes if isinstance(o, Skip)] == [("gone-7", "image: no such file")]


def test_iams_ids_in_one_folder(tmp_path: Path) -> None:
    tree = iam_tree(tmp_path / "tree")
    flat = write(tmp_path / "flat", {"words.txt": WORDS.encode(), "forms.txt": FORMS.encode()})
    write(flat / "words", {Path(name).name: content for name, content in image_files().items()})
    assert read(flat)[0].image_bytes() == png("a01-000u-00-00")
    check(read(flat))
    assert [o.id for o in read(flat)] == [o.id for o in read(tree)]


def test_the_total_is_told_first(tmp_path: Path) -> None:
    totals: list[int] = []
    next(parse_iam_words(iam_tree(tmp_path), workers=1, tell_total=totals.append))
    assert totals == [len(TEXTS) + len(REASONS)]


def test_wrong_sources_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "no_words", {"words.txt": WORDS.encode()})
    write(tmp_path / "no_labels" / "words", image_files())
    write(tmp_path / "other_labels" / "words", image_files())
    write(tmp_path / "other_labels", {"words.txt": b"just some text\nthat is not IAM's\n"})
    write(tmp_path / "not_tar", {"words.txt": WORDS.encode(), "words.tgz": b"this is no archive"})
    for name, message in (
        ("missing", "missing: no such file or folder"),
        ("empty", "empty: no words.txt"),
        ("no_labels", "no_labels: no words.txt"),
        ("no_words", r"no_words: no words/ folder and no words\.tgz"),
        ("other_labels", r"words\.txt: no line looks like IAM's"),
        ("not_tar", r"words\.tgz: neither a folder nor an archive"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_an_archive_of_labels_without_words_is_named(tmp_path: Path) -> None:
    write_tgz(tmp_path / "words.tgz", image_files())
    write_tgz(tmp_path / "ascii.tgz", {"forms.txt": FORMS.encode()})
    with pytest.raises(InputError, match=r"ascii\.tgz: no words\.txt"):
        read(tmp_path)


@pytest.mark.parametrize("archived", [False, True])
def test_the_prepared_list_has_the_order_of_words_txt(tmp_path: Path, archived: bool) -> None:
    source = tmp_path / "iam"
    if archived:
        write(source, {"words.txt": WORDS.encode(), "forms.txt": FORMS.encode()})
        write_tgz(source / "words.tgz", dict(reversed(image_files().items())))
    else:
        iam_tree(source)
    prepare("iam_words", source, tmp_path / "data")
    entries = [line.split()[0] for line in WORDS.splitlines() if line and not line.startswith("#")]
    usable = [entry for entry in entries[:11] if REASONS.get(entry) != "segmentation marked err"]
    assert load_listed("iam_words", tmp_path / "data")[: len(usable)] == usable


LINES = """#--- lines.txt ---#
a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop|Mr.|Gaitskell|from
a01-000u-01 err 156 19 395 932 1850 105 nominating|any|more
a01-000u-02 ok 157 16 408 1106 1986 105 is|to|be|,|made
a01-003-00 ok 157 16 408 1106 1986 105
a01-000u-00-01 ok 154 507 766 213 48 NN a|word
"""
SENTENCES = """#--- sentences.txt ---#
a01-000u-s00-00 0 ok 154 19 408 746 1661 89 A|MOVE|to|stop
a01-000u-s00-01 1 err 156 19 395 932 1850 105 nominating|any|more
"""


def write_cut(root: Path, name: str, labels: str, ids: list[str]) -> Path:
    write(root, {f"ascii/{name}.txt": labels.encode(), "ascii/forms.txt": FORMS.encode()})
    images = {f"{i[:3]}/{'-'.join(i.split('-')[:2])}/{i}.png": png(i) for i in ids}
    write_tgz(root / f"{name}.tgz", images)
    return root


def texts_and_reasons(outcomes: list[Sample | Skip]) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    samples = {o.id: (o.text, o.writer) for o in outcomes if isinstance(o, Sample)}
    return samples, {o.id: o.reason for o in outcomes if isinstance(o, Skip)}


def test_lines_with_spaces_for_bars(tmp_path: Path) -> None:
    write_cut(tmp_path, "lines", LINES, ["a01-000u-00", "a01-000u-01", "a01-000u-02"])
    samples, reasons = texts_and_reasons(list(parse_iam_lines(tmp_path, workers=1)))
    assert samples == {
        "a01-000u-00": ("A MOVE to stop Mr. Gaitskell from", "000"),
        "a01-000u-02": ("is to be , made", "000"),
    }
    assert reasons == {
        "a01-000u-01": "segmentation marked err",
        "a01-003-00": "empty label",
        "lines.txt, entry 5": "line cannot be read",
    }
    kept, _ = texts_and_reasons(list(parse_iam_lines(tmp_path, workers=1, keep_err=True)))
    assert kept == samples | {"a01-000u-01": ("nominating any more", "000")}
    with pytest.raises(InputError, match=r"no words\.txt"):
        read(tmp_path)


def test_sentences_line_by_line(tmp_path: Path) -> None:
    write_cut(tmp_path, "sentences", SENTENCES, ["a01-000u-s00-00"])
    samples, reasons = texts_and_reasons(list(parse_iam_sentences(tmp_path, workers=1)))
    assert samples == {"a01-000u-s00-00": ("A MOVE to stop", "000")}
    assert reasons == {"a01-000u-s00-01": "segmentation marked err"}
