"""Lines of Copiste d'un jour."""

from collections import Counter
from itertools import islice

import pytest

from hwr_jax.data.formats.alto import parse_copiste_lines, why_not_copiste
from hwr_jax.data.sample import Sample
from hwr_jax.ink.image import open_grey


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("imp_wikitexte_0022", "reference line"),
        ("Nom de r\u00e9f\u00e9rence : imp_wikitexte_0145", "reference line"),
        ("wikitexte _ 0020", "reference line"),
        (" né le 2 >mai< mai 2014", "text struck through"),
        ("<> footballeur", "text struck through"),
        (">", "text struck through"),
        ("où c < 0 et d > 1", None),
        ("le wikitexte est un texte qui se lit", None),
    ],
)
def test_what_is_left_out(text: str, reason: str | None) -> None:
    assert why_not_copiste(text) == reason


def test_the_first_pages_of_the_real_set(real_data) -> None:
    source = real_data / "copiste.tar"
    if not source.exists():
        pytest.skip("no copiste.tar among the real data")
    outcomes = list(islice(parse_copiste_lines(source, workers=1), 60))
    samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    assert len(samples) > 40
    assert samples[0].id.startswith("imp_wikitexte_0022/eSc_line_")
    assert samples[0].writer == "0022"
    heights = Counter(open_grey(sample.image, sample.id).shape[0] for sample in samples)
    assert max(heights) < 300
