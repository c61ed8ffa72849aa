"""Edit distance against a recursive oracle and the textbook's loop; alignments; sums that add up."""

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwr_jax.text.distance import Edits, align, count_edits, edit_distance

short = st.text(alphabet="abA ", max_size=7)


def edit_distance_by_definition(truth, prediction) -> int:
    @functools.cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        changed = truth[i - 1] != prediction[j - 1]
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + changed)

    return distance(len(truth), len(prediction))


@given(short, short)
def test_edit_distance_against_its_definition(truth, prediction):
    assert edit_distance(truth, prediction) == edit_distance_by_definition(truth, prediction)


def edit_distance_by_rows(truth, prediction) -> int:
    row = list(range(len(prediction) + 1))
    for i, expected in enumerate(truth, start=1):
        diagonal, row[0] = row[0], i
        for j, got in enumerate(prediction, start=1):
            above = row[j]
            row[j] = diagonal if expected == got else 1 + min(diagonal, above, row[j - 1])
            diagonal = above
    return row[-1]


texts = st.text(alphabet=st.sampled_from("abcABC ßſİi\u0301é日\U0001f600\n\t"), max_size=90)


@given(texts, texts)
def test_counts_are_those_of_the_loop_over_rows(truth, prediction):
    edits = count_edits(truth, prediction)
    folded_truth, folded_prediction = truth.casefold(), prediction.casefold()
    assert (edits.characters, edits.words) == (len(truth), len(truth.split()))
    assert edits.character_edits == edit_distance_by_rows(truth, prediction)
    assert edits.word_edits == edit_distance_by_rows(truth.split(), prediction.split())
    assert edits.casefolded_edits == edit_distance_by_rows(folded_truth, folded_prediction)
    assert edits.casefolded_word_edits == edit_distance_by_rows(folded_truth.split(), folded_prediction.split())


ids = st.lists(st.integers(-3, 200), max_size=80)


@given(ids, ids)
def test_ids_have_the_same_distance(truth, prediction):
    assert edit_distance(truth, prediction) == edit_distance_by_rows(truth, prediction)
    assert edit_distance(tuple(truth), prediction) == edit_distance_by_rows(truth, prediction)


@given(short, short, short)
def test_edit_distance_is_a_metric(a, b, c):
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


@pytest.mark.parametrize(
    ("truth", "prediction", "edits"),
    [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("flaw", "lawn", 2), ("same", "same", 0)],
)
def test_known_distances(truth, prediction, edits):
    assert edit_distance(truth, prediction) == edits


def test_word_edits_compare_whole_words():
    edits = count_edits("the quick brown fox", "the quick brawn  fox jumps")
    assert (edits.words, edits.word_edits) == (4, 2)


def test_case_is_an_edit_but_not_when_casefolded():
    edits = count_edits("Word", "word")
    assert (edits.characters, edits.character_edits, edits.casefolded_edits, edits.word_edits) == (4, 1, 0, 1)
    edits = count_edits("The Cat sat", "the Cat sad")
    assert (edits.word_edits, edits.casefolded_word_edits, edits.words) == (2, 1, 3)
    assert (edits.wer, edits.wer_casefolded) == (2 / 3, 1 / 3)


@given(st.lists(st.tuples(short, short), min_size=1, max_size=5))
def test_sums_add_up_and_rates_are_ratios_of_sums(pairs):
    total = sum((count_edits(*pair) for pair in pairs), Edits())
    characters = sum(len(truth) for truth, _ in pairs)
    edits = sum(edit_distance_by_definition(*pair) for pair in pairs)
    assert total.samples == len(pairs)
    assert (total.characters, total.character_edits) == (characters, edits)
    assert total.cer == edits / characters if characters else total.cer != total.cer


def test_rates_without_truth_are_nan():
    edits = count_edits("", "x")
    assert edits.cer != edits.cer
    assert edits.wer != edits.wer
    assert edits.character_edits == 1


@given(short, short)
def test_an_alignment_spells_both_texts_with_the_fewest_edits(truth, prediction):
    steps = align(truth, prediction)
    assert "".join(expected for expected, _ in steps) == truth
    assert "".join(got for _, got in steps) == prediction
    assert sum(expected != got for expected, got in steps) == edit_distance(truth, prediction)
    assert ("", "") not in steps


def test_an_alignment_names_what_was_missed_made_up_and_confused():
    assert align("cat", "cot") == [("c", "c"), ("a", "o"), ("t", "t")]
    assert align("cat", "ct") == [("c", "c"), ("a", ""), ("t", "t")]
    assert align("ct", "cat") == [("c", "c"), ("", "a"), ("t", "t")]
