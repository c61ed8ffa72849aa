"""UNIPEN lines: texts of category 8, and words of category 7 joined."""

from pathlib import Path

import pytest

from hwr_jax.data.formats.unipen import parse_unipen_lines, tidy_label
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_of
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey

TRAIN = next(f"w{number}" for number in range(99) if split_of(f"w{number}") == "train")
TEST = next(f"w{number}" for number in range(99) if split_of(f"w{number}") == "test")


def word(left: int, bottom: int) -> str:
    points = [(left, bottom + 10), (left, bottom), (left + 5, bottom + 10), (left + 10, bottom)]
    return ".PEN_DOWN\n" + "".join(f"{x} {y}\n" for x, y in points) + ".PEN_UP\n"


def write_tree(root: Path, writers: list[str], words: int = 9) -> Path:
    for number, writer in enumerate(writers):
        ink = f".WRITER_ID {writer}\n" + "".join(word(14 * index, 0) for index in range(words))
        ink += word(0, -30) + word(14, -30)
        labels = [f'.SEGMENT WORD {index} OK "word{index}"' for index in range(words - 1)]
        texts = [
            f'.SEGMENT TEXT 0-{words - 1} OK "one line , don \' t you see ."',
            f'.SEGMENT TEXT 0-{words + 1} ? "one line and another"',
            '.SEGMENT TEXT 0-3 BAD "never"',
        ]
        files = {
            f"data/7/abc/abc7_{number}.dat": [*labels, f'.SEGMENT WORD {words - 1} OK ","'],
            f"data/8/abc/abc8_{number}.dat": texts,
        }
        for name, lines in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join([f".INCLUDE abc/data/{number}.dat", *lines]))
        path = root / "include" / "abc" / "data" / f"{number}.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ink)
    return root


@pytest.mark.parametrize("workers", [1, 2])
def test_texts_and_joined_words(tmp_path: Path, workers: int) -> None:
    totals: list[int] = []
    outcomes = list(parse_unipen_lines(write_tree(tmp_path, [TRAIN, TEST]), workers=workers, tell_total=totals.append))
    assert totals == [6 + 18 // 8]  # texts, and about as many lines as the words make
    assert [(o.id, o.text, o.writer) for o in outcomes[:6] if isinstance(o, Sample)] == [
        ("unipen/abc/abc8_0/0", "one line, don't you see.", TRAIN),
        ("unipen/abc/abc8_1/0", "one line, don't you see.", TEST),
    ]
    assert {o.id: o.reason for o in outcomes if isinstance(o, Skip)} == {
        f"unipen/abc/abc8_{file}/{segment}": reason
        for file in range(2)
        for segment, reason in ((1, "text runs over several lines"), (2, "quality BAD"))
    }
    joined = [o for o in outcomes[6:] if isinstance(o, Sample)]
    assert joined
    assert {line.writer for line in joined} == {TRAIN}
    assert joined[0].id == "joined/unipen/abc/abc7_0/0"
    words = [word for line in joined for word in line.text.split()]
    assert words == [f"word{index}" for index in range(len(words))]
    assert all(3 <= len(line.text.split()) <= 8 for line in joined)
    for line in joined:
        assert open_grey(line.image, line.id).shape[1] > 64 * len(line.text.split()) / 3


def test_like_scans_the_same_lines_stand_on_paper(tmp_path: Path) -> None:
    source = write_tree(tmp_path, [TRAIN])
    plain, scanned = (list(parse_unipen_lines(source, workers=1, like_scans=like)) for like in (False, True))
    assert [(o.id, o.text) for o in scanned if isinstance(o, Sample)] == [
        (o.id, o.text) for o in plain if isinstance(o, Sample)
    ]
    assert [o for o in scanned if isinstance(o, Skip)] == [o for o in plain if isinstance(o, Skip)]
    levels = {int(open_grey(o.image_bytes(), o.id).max()) for o in scanned if isinstance(o, Sample)}
    assert len(levels) > 1  # no two papers are alike
    assert scanned == list(parse_unipen_lines(source, workers=1, like_scans=True))


def test_without_joined_lines_category_8_is_enough(tmp_path: Path) -> None:
    source = write_tree(tmp_path, [TRAIN])
    alone = list(parse_unipen_lines(source, workers=1, joined=False))
    assert alone == list(parse_unipen_lines(source, workers=1))[:3]
    for path in (source / "data" / "8").rglob("*.dat"):
        path.unlink()
    with pytest.raises(InputError, match=r"no UNIPEN text in it; expected data/8/"):
        list(parse_unipen_lines(source, workers=1))


@pytest.mark.parametrize(
    ("label", "tidy"),
    [
        ("wasn ' t  it ?", "wasn't it?"),
        ("so , yes .", "so, yes."),
        ("at 3 .5 or .5", "at 3 .5 or .5"),
        ("'quoted' : a", "'quoted': a"),
        ("?", "?"),
        ("a - b", "a - b"),
    ],
)
def test_spaces_that_no_ink_shows(label: str, tidy: str) -> None:
    assert tidy_label(label) == tidy
