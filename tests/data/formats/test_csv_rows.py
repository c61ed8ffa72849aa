"""CSV and TSV files as people and programs write them."""

import csv
import io
from pathlib import Path

import pytest
from PIL import Image

from hwr_jax.data.formats.manifest import parse_manifest
from hwr_jax.data.sample import Sample, Skip
from hwr_jax.errors import InputError

COUNT = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(COUNT):
        Image.new("L", (9, 7), 200 - number).save(tmp_path / f"{number}.png")
    return tmp_path


def read(path: Path, content: str | bytes, **options: str) -> list[Sample | Skip]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(parse_manifest(path, workers=1, **options))


def labels(outcomes: list[Sample | Skip]) -> list[str]:
    """In order; of a skip its id and reason."""
    return [o.text if isinstance(o, Sample) else f"{o.id}: {o.reason}" for o in outcomes]


def unquoted(*texts: str, delimiter: str = ",", header: str = "image,text") -> str:
    lines = [header.replace(",", delimiter)] if header else []
    return "\n".join([*lines, *(f"{number}.png{delimiter}{text}" for number, text in enumerate(texts))]) + "\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "texts",
    [
        ['"', "b", '"c', "d"],  # one opens, another closes it
        ["a", 'b"', '"', '"d'],
        ['"a" or b', "c", "d"],
        ["a", "b", '"'],  # nothing follows
        ['"all"', "b", '"c'],  # where quotes are characters, these are too
    ],
)
def test_quotes_of_a_table_without_quoting_are_characters(folder, texts, delimiter, caplog) -> None:
    outcomes = read(folder / "x.csv", unquoted(*texts, delimiter=delimiter))
    assert labels(outcomes) == texts
    assert "--quotes=yes" in caplog.text


@pytest.mark.parametrize("name", ["x.csv", "x.tsv"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_quotes_of_a_table_as_programs_write_it_enclose(folder, name, quoting, caplog) -> None:
    texts = ['"', 'say "so"', "b, c; d", '"begins', 'ends"', "plain"]
    file = io.StringIO()
    writer = csv.writer(file, dialect=csv.excel_tab if name.endswith("tsv") else csv.excel, quoting=quoting)
    writer.writerows([("image", "text"), *((f"{number}.png", text) for number, text in enumerate(texts))])
    assert labels(read(folder / name, file.getvalue())) == texts
    assert not caplog.text


def test_a_row_that_breaks_the_quoting_of_others_is_named(folder) -> None:
    content = 'image,text\n0.png,"a, b"\n1.png,"c\n2.png,"say ""so"""\n'
    told = "x.csv, line 3: row cannot be read: a quote is not closed"
    assert labels(read(folder / "x.csv", content)) == ["a, b", told, 'say "so"']
    assert labels(read(folder / "x.csv", content, quotes="no"))[2] == '"say ""so"""'
    with pytest.raises(InputError, match="must be yes or no"):
        read(folder / "x.csv", content, quotes="maybe")


def test_a_lone_pair_of_quotes_means_itself_in_a_tsv(folder) -> None:
    assert labels(read(folder / "x.tsv", unquoted('"a"', "b", delimiter="\t"))) == ['"a"', "b"]
    assert labels(read(folder / "x.tsv", unquoted('"a"', "b", delimiter="\t"), quotes="yes")) == ["a", "b"]
    assert labels(read(folder / "x.csv", unquoted('"a"', "b"))) == ["a", "b"]


def test_a_field_of_several_lines_is_one_field(folder) -> None:
    content = 'image,note,text\n0.png,"of two\n\nparts",a\n1.png,,b\n2.png,,"c\nd"\n'
    assert labels(read(folder / "x.csv", content)) == ["a", "b", "2.png: label has several lines"]


def test_backslashes_before_quotes_as_icdar_has_them(folder) -> None:
    content = "\ufeff" + unquoted(*(f' "{text}"' for text in ("a", '\\"b\\"', "c, d")), header="")
    assert labels(read(folder / "gt.txt", content.replace("\n", "\r\n"))) == ["a", '"b"', "c, d"]


@pytest.mark.parametrize("first", [True, False])
def test_two_columns_need_no_header(folder, first) -> None:
    rows = [("0.png", "a"), ("1.png", "b")]
    assert labels(read(folder / "x.csv", "".join(f"{r[not first]},{r[first]}\n" for r in rows))) == ["a", "b"]


def test_more_columns_are_named_by_a_flag(folder) -> None:
    content = "w1,0.png,a\nw2,1.png,b\n"
    with pytest.raises(InputError, match=r"x\.csv: its first line is a row, .* --header=column1,image,column3$"):
        read(folder / "x.csv", content)
    outcomes = read(folder / "x.csv", content, header="writer,image,text")
    assert [(o.text, o.writer) for o in outcomes if isinstance(o, Sample)] == [("a", "w1"), ("b", "w2")]
    with pytest.raises(InputError, match="rimes_lines reads lists"):
        read(folder / "x.txt", "0.png a\n1.png b\n")


def test_text_in_the_last_column_may_hold_commas(folder, caplog) -> None:
    outcomes = read(folder / "labels.csv", unquoted("a, b", "c,", "d ,e,", "f", header="filename,words"))
    assert labels(outcomes) == ["a, b", "c,", "d ,e,", "f"]
    assert "3 rows, the first in line 2, have more columns than the header" in caplog.text
    outcomes = read(folder / "x.csv", "text,image\na,b,0.png\nc,1.png\n")
    assert labels(outcomes) == ["x.csv, line 2: row has more columns than the header", "c"]
    quoted = read(folder / "x.csv", 'image,text\n0.png,"a, b"\n1.png,c,d\n')
    assert labels(quoted) == ["a, b", "x.csv, line 3: row has more columns than the header"]


def test_a_comma_that_ends_all_rows_is_none_of_the_text(folder) -> None:
    for header in ("image,text", "image,text,", ""):
        assert labels(read(folder / "x.csv", unquoted("a,", "b,", header=header))) == ["a", "b"]


def test_spaces_after_commas_and_the_first_line_of_excel(folder) -> None:
    assert labels(read(folder / "x.csv", 'image, text, writer\n0.png, "a, b", w\n1.png, c, w\n')) == ["a, b", "c"]
    assert labels(read(folder / "x.csv", "sep=|\nimage|text\n0.png|a, b\n")) == ["a, b"]
    assert labels(read(folder / "x.csv", "image|text\n0.png|a, b\n")) == ["a, b"]


def test_two_columns_of_one_name_are_refused(folder) -> None:
    with pytest.raises(InputError, match=r"two columns are called 'text'; rename one"):
        read(folder / "x.csv", "image,text,text\n0.png,a,b\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_encodings_told_by_a_byte_order_mark(folder, encoding) -> None:
    mark = "\ufeff" if encoding.startswith("utf-16-") else ""
    assert labels(read(folder / "x.csv", (mark + unquoted("é", "\u20ac")).encode(encoding))) == ["é", "\u20ac"]


@pytest.mark.parametrize(
    "content",
    [
        '{"0.png": "a", "1.png": "b"}',
        '{"0.png": {"text": "a"}, "1.png": {"text": "b"}}',
        '[{"image": "0.png", "text": "a"}, {"image": "1.png", "text": "b"}]',
    ],
)
def test_json_of_images_and_texts(folder, content) -> None:
    assert labels(read(folder / "labels.json", content)) == ["a", "b"]
    assert labels(list(parse_manifest(folder, workers=1))) == ["a", "b"]
    for other in ("3", "[1]", "{", '"0.png"'):
        with pytest.raises(InputError, match="not a table; expected"):
            read(folder / "labels.json", other)
