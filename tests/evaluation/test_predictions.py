"""Readings written and read back, and files that are not what was written."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwr_jax.errors import InputError
from hwr_jax.evaluation.evaluate import SampleResult
from hwr_jax.evaluation.predictions import RecordedPrediction, load_predictions, write_predictions
from hwr_jax.text.distance import count_edits

# Any text that UTF-8 can hold, with more of what the file escapes and of what other readers take for a line's end.
TEXTS = st.text(st.sampled_from("\\tnr\t\n\r\x0b\x0c\x1c\x85\u2028\ufeff ") | st.characters(exclude_categories=["Cs"]))


def make_result(id: str, writer: str, truth: str, prediction: str, confidence: float) -> SampleResult:
    return SampleResult(
        id=id,
        writer=writer,
        truth=truth,
        prediction=prediction,
        prediction_ids=(),
        confidence=confidence,
        edits=count_edits(truth, prediction),
        loss=1.0,
        loss_excluded=None,
    )


@settings(deadline=None)  # Files are written.
@given(
    st.lists(
        st.tuples(TEXTS, TEXTS, TEXTS, TEXTS, st.floats(0, 1)),
        max_size=6,
        unique_by=lambda values: values[0],
    )
)
def test_what_was_written_is_read_back(samples):
    results = [make_result(*values) for values in samples]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test.tsv")
        write_predictions(path, results)
        read = load_predictions(path)
    for result, reading in zip(results, read, strict=True):
        expected = (result.id, result.writer, result.truth, result.prediction, result.edits)
        assert (reading.id, reading.writer, reading.truth, reading.prediction, reading.edits) == expected
        assert reading.confidence == pytest.approx(result.confidence, rel=1e-5)


@pytest.fixture
def whole(tmp_path) -> Path:
    path = tmp_path / "test.tsv"
    write_predictions(path, [make_result(f"id{i}", "w", "back\\slash\ttab", "word", 0.5) for i in range(3)])
    return path


def test_the_fixture_is_whole(whole):
    assert load_predictions(whole)[2] == RecordedPrediction(
        "id2", "w", "back\\slash\ttab", "word", 0.5, count_edits("back\\slash\ttab", "word")
    )


def test_a_file_cut_anywhere_is_told_or_has_fewer_readings(whole):
    """A cut at the end of a line cannot be seen in the file; the evaluation's JSON has the count."""
    content = whole.read_bytes()
    for length in range(len(content)):
        whole.write_bytes(content[:length])
        if length and content[:length].endswith(b"\n"):
            assert len(load_predictions(whole)) == content[:length].count(b"\n") - 1
        else:
            with pytest.raises(InputError, match=r"test\.tsv: (cut short|does not begin)"):
                load_predictions(whole)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b"id\twriter", b"id\tauthor", "does not begin with the columns id, writer"),
        (b"id1\tw\t", b"id1\t", "line 3 .4 columns instead of 5"),
        (b"id1\tw\t", b"id1\tw\tx\t", "line 3 .6 columns instead of 5"),
        (b"id1\t", b"id\\1\t", "line 3 .escape"),
        (b"\t0.5\n", b"\t1.5\n", "line 2 .confidence '1.5'"),
        (b"\t0.5\n", b"\tnan\n", "line 2 .confidence 'nan'"),
        (b"\t0.5\n", b"\thalf\n", "line 2 .confidence 'half'"),
        (b"id1\t", b"id0\t", "line 3 .id0 for the second time"),
        (b"id1\t", b"id\xff\t", "not UTF-8"),
    ],
)
def test_damage_is_named_with_its_line(whole, before, after, message):
    content = whole.read_bytes()
    assert before in content
    whole.write_bytes(content.replace(before, after))
    with pytest.raises(InputError, match=message) as raised:
        load_predictions(whole)
    assert str(whole) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.tsv: no such file"):
        load_predictions(tmp_path / "none.tsv")
