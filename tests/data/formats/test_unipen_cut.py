"""Words cut out of UNIPEN's texts."""

from pathlib import Path

import pytest

from hwr_jax.data.formats.unipen import parse_unipen_words
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.data.splits import split_of
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey

TRAIN = next(f"w{number}" for number in range(99) if split_of(f"w{number}") == "train")
TEST = next(f"w{number}" for number in range(99) if split_of(f"w{number}") == "test")


def letter(left: int) -> str:
    points = [(left, 10), (left, 0), (left + 5, 10), (left + 10, 0)]
    return ".PEN_DOWN\n" + "".join(f"{x} {y}\n" for x, y in points) + ".PEN_UP\n"


def write_tree(root: Path, *, texts: bool = True) -> Path:
    """For each of two writers a word "ab", and the texts "abc , de" and, of the same ink, "a bcdefghij"."""
    for number, writer in enumerate((TRAIN, TEST)):
        ink = f".WRITER_ID {writer}\n" + "".join(map(letter, (0, 12, 24, 36, 80, 92)))
        include = f".INCLUDE abc/data/{number}.dat\n"
        labels = ['0-5 OK "abc , de"', '0-5 OK "a bcdefghij"', '0-5 BAD "never"']
        contents = {
            f"include/abc/data/{number}.dat": ink,
            f"data/7/abc/abc7_{number}.dat": include + '.SEGMENT WORD 0-1 OK "ab"\n',
            f"data/8/abc/abc8_{number}.dat": include + "".join(f".SEGMENT TEXT {label}\n" for label in labels),
        }
        for name, content in contents.items():
            if texts or not name.startswith("data/8"):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content)
    return root


@pytest.mark.parametrize("workers", [1, 2])
def test_texts_of_training_writers_are_cut_after_the_words(tmp_path: Path, workers: int) -> None:
    source = write_tree(tmp_path)
    outcomes = list(parse_unipen_words(source, workers=workers, cut_lines=True))
    assert outcomes[:2] == list(parse_unipen_words(source, workers=1))
    words = [outcome for outcome in outcomes[2:] if isinstance(outcome, Sample)]
    assert [(word.id, word.text, word.writer) for word in words] == [
        ("cut/unipen/abc/abc8_0/0/0", "abc,", TRAIN),
        ("cut/unipen/abc/abc8_0/0/1", "de", TRAIN),
    ]
    widths = [open_grey(word.image, word.id).shape[1] for word in words]
    assert widths[0] / widths[1] == pytest.approx(46 / 22, rel=0.1)
    assert [outcome for outcome in outcomes[2:] if isinstance(outcome, Skip)] == [
        Skip("cut/unipen/abc/abc8_0/1", "words cannot be told apart"),
        Skip("cut/unipen/abc/abc8_0/2", "quality BAD"),
        Skip("cut/unipen/abc/abc8_1/2", "quality BAD"),
    ]


def test_texts_must_be_there(tmp_path: Path) -> None:
    source = write_tree(tmp_path, texts=False)
    with pytest.raises(InputError, match=r"no UNIPEN text to cut in it; expected data/8/CONTRIBUTOR"):
        list(parse_unipen_words(source, workers=1, cut_lines=True))
