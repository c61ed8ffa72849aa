"""Labels unlike all others'."""

import math
import random
from collections import Counter

import pytest

from hwr_jax.data.checks.outliers import LEAST_LABELS, find_odd_groups, source_of

ENGLISH = "the of and to in that it was for on are as with his they at be this from have or by one had not"
GERMAN = "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus"


def draw(words: str, group: str, seed: int, count: int = 60) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    return [(rng.choice(words.split()), group) for _ in range(count)]


def test_another_language_and_shuffled_letters_are_odd() -> None:
    rng = random.Random(0)
    pseudo = " ".join("".join(rng.sample("aeiounrstl" * 3, 6)) for _ in range(40))
    labels = [label for number in range(12) for label in draw(ENGLISH, f"w{number}", number)]
    labels += draw(GERMAN, "german", 50) + draw(pseudo, "pseudo", 51)
    texts, groups = zip(*labels, strict=True)
    odd = find_odd_groups(texts, groups)
    assert [group.name for group in odd] == ["pseudo", "german"]
    assert odd[0].labels == 60
    assert odd[0].score > odd[1].score > 2.5
    assert odd[0].bits > odd[1].bits > odd[1].usual_bits == odd[0].usual_bits
    assert set(odd[0].words) <= set(pseudo.split())
    again = find_odd_groups(*zip(*sorted(labels), strict=True))
    assert [(g.name, g.labels, g.words) for g in again] == [(g.name, g.labels, g.words) for g in odd]
    assert [g.score for g in again] == pytest.approx([g.score for g in odd])


def test_small_groups_unnamed_ones_and_few_groups_are_not_judged() -> None:
    labels = [label for number in range(12) for label in draw(ENGLISH, f"w{number}", number)]
    few = draw(GERMAN, "german", 50, LEAST_LABELS - 1)
    unnamed = draw(GERMAN, "", 51)
    texts, groups = zip(*labels, *few, *unnamed, strict=True)
    assert not {"german", ""} & {group.name for group in find_odd_groups(texts, groups)}
    assert find_odd_groups([text for text, _ in labels[:240]], [group for _, group in labels[:240]]) == ()
    assert find_odd_groups([], []) == ()


def test_bits_are_those_of_a_model_without_the_group() -> None:
    """Against the definition, spelled out over strings."""
    groups = {f"g{number}": ["ab", "ba", "aab"] * 7 + ["b"] * number for number in range(5)} | {
        "odd": ["cc", "cab"] * 10
    }
    texts = [text for words in groups.values() for text in words]
    names = [name for name, words in groups.items() for _ in words]
    (found,) = [group for group in find_odd_groups(texts, names) if group.name == "odd"]
    marked = [f"  {text} " for name, words in groups.items() if name != "odd" for text in words]
    grams = Counter(t[i + 3 - n : i + 3] for t in marked for i in range(len(t) - 2) for n in (1, 2, 3))
    contexts = Counter(t[i + 3 - n : i + 2] for t in marked for i in range(len(t) - 2) for n in (1, 2, 3))
    total = 0.0
    for text in groups["odd"]:
        whole = f"  {text} "
        for i in range(len(whole) - 2):
            p = 1 / 5  # a, b, c, a word's end, and one for all others
            for n in (1, 2, 3):
                p = (grams[whole[i + 3 - n : i + 3]] + 5 * p) / (contexts[whole[i + 3 - n : i + 2]] + 5)
            total -= math.log2(p)
    assert found.bits == pytest.approx(total / sum(len(text) + 1 for text in groups["odd"]), rel=1e-12)


def test_sources_are_folders_of_ids() -> None:
    assert source_of("unipen/lav/lav7_0001/3") == "unipen/lav"
    assert source_of("page_7/line_3") == "page_7"
    assert source_of("a01-000u-00-00") == ""
