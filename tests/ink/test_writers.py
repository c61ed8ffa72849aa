import dataclasses

import numpy as np
import pytest

from hwr_jax.data.formats.synthetic import parse_synthetic
from hwr_jax.errors import InputError
from hwr_jax.ink.image import open_grey
from hwr_jax.ink.stroke_fonts import load_face, smooth_path
from hwr_jax.ink.words import load_words, make_text
from hwr_jax.ink.writers import WriterConfig, draw_word, make_writer, write_word
from hwr_jax.text.alphabet import IAM78

STILL = WriterConfig(letter_jitter=0.0, warp=0.0, wobble=0.0, tremor=0.0)


def width_of(strokes: list[np.ndarray]) -> float:
    return float(np.ptp(np.concatenate(strokes)[:, 0]))


def slant_of(strokes: list[np.ndarray]) -> float:
    """x per height of the line from the first to the last point of an "I" or "l"."""
    points = np.concatenate(strokes)
    top, bottom = points[points[:, 1].argmin()], points[points[:, 1].argmax()]
    return float((top[0] - bottom[0]) / (bottom[1] - top[1]))


def test_every_writer_can_write_every_character() -> None:
    for seed in range(12):
        writer = make_writer(seed)
        for character in IAM78:
            strokes = write_word(writer, character, np.random.default_rng(seed))
            points = np.concatenate(strokes)
            assert all(stroke.ndim == 2 and stroke.shape[1] == 2 and len(stroke) for stroke in strokes)
            assert np.abs(points).max() < 6, (seed, character)  # false for NaN too


def test_small_letters_stand_between_the_lines() -> None:
    """In all faces: x-height 1, ascenders to 2, descenders to 1 below, capitals to 2."""
    for face in ("script", "plain", "everyday"):
        glyphs = load_face(face)
        for characters, low, high in (("acenmorsuvwx", -1, 0), ("bdhkl", -2, 0), ("gpqy", -1, 1), ("BDEHKM", -2, 0)):
            for character in characters:
                for glyph in glyphs[character]:
                    bounds = glyph.points_Px2[:, 1].min(), glyph.points_Px2[:, 1].max()
                    assert bounds == pytest.approx((low, high), abs=0.21), (face, character)


def test_smooth_path_passes_its_points_and_keeps_corners() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    sharp = smooth_path(square, np.ones(4, bool), 0.1)
    assert np.minimum(np.abs(sharp), np.abs(sharp - 1)).min(axis=1).max() < 1e-9  # stays on the square's sides
    smooth = smooth_path(square, np.zeros(4, bool), 0.1)
    assert all(np.hypot(*(smooth - point).T).min() < 1e-9 for point in square)
    chords = np.diff(smooth, axis=0)
    angles = np.unwrap(np.arctan2(chords[:, 1], chords[:, 0]))
    assert np.abs(np.diff(angles)).max() < 0.5
    line = smooth_path(np.array([[0, 0], [3, 0], [3.5, 0], [9, 0.0]]), np.zeros(4, bool), 0.1)
    assert np.abs(line[:, 1]).max() < 1e-12


def test_the_same_seed_is_the_same_writer() -> None:
    one, again, other = make_writer("w7"), make_writer("w7"), make_writer("w8")
    for word in ("quick", "Brown"):
        ink = [np.concatenate(write_word(w, word, np.random.default_rng(5))) for w in (one, again, other)]
        np.testing.assert_array_equal(ink[0], ink[1])
        assert ink[0].shape != ink[2].shape or np.abs(ink[0] - ink[2]).max() > 0.05


def test_a_still_writer_repeats_itself_and_an_unsteady_one_does_not() -> None:
    for config, same in ((STILL, True), (WriterConfig(), False)):
        writer = dataclasses.replace(make_writer(3, config), joining=1.0)
        one, other = (np.concatenate(write_word(writer, "minimum", np.random.default_rng(s))) for s in (0, 1))
        assert np.allclose(one, other) == same


def test_writers_differ_in_their_handwriting() -> None:
    writers = [make_writer(seed) for seed in range(60)]
    for field in ("slant", "width", "spacing", "ascender", "descender", "capital", "core_height_px", "pen_width_px"):
        values = np.array([getattr(writer, field) for writer in writers])
        assert np.std(values) > 0.03, field
    assert sum(writer.joining > 0.7 for writer in writers) in range(20, 50)
    assert len({tuple(id(writer.glyphs[c]) for c in "abdefgkrst") for writer in writers}) > 45


def test_slant_width_and_spacing_do_what_they_say() -> None:
    writer = make_writer(1, dataclasses.replace(STILL, letter_habit=0.0))
    rng = np.random.default_rng
    upright = dataclasses.replace(writer, slant=0.0, glyphs=writer.glyphs | {"l": load_face("plain")["l"][0]})
    leaning = dataclasses.replace(upright, slant=0.5)
    assert slant_of(write_word(upright, "l", rng(0))) == pytest.approx(0, abs=0.01)
    assert slant_of(write_word(leaning, "l", rng(0))) == pytest.approx(0.5, abs=0.01)
    spaced, wide = dataclasses.replace(upright, spacing=upright.spacing + 0.5), dataclasses.replace(upright, width=2.0)
    narrow = dataclasses.replace(upright, width=1.0)
    assert width_of(write_word(spaced, "noon", rng(0))) - width_of(write_word(upright, "noon", rng(0))) == (
        pytest.approx(1.5)
    )
    assert width_of(write_word(wide, "o", rng(0))) == pytest.approx(2 * width_of(write_word(narrow, "o", rng(0))))


def test_joining_connects_letters() -> None:
    """A joined "nnn" is one piece of ink, an unjoined one three."""
    form = load_face("everyday")["n"][0]
    base = make_writer(2, dataclasses.replace(STILL, letter_habit=0.0))
    base = dataclasses.replace(base, glyphs=base.glyphs | {"n": form}, lifts=frozenset(), spacing=0.3)
    counts = {}
    for joining in (0.0, 1.0):
        strokes = write_word(dataclasses.replace(base, joining=joining), "nnn", np.random.default_rng(0))
        counts[joining] = len(strokes)
        links = strokes[counts[0.0] :]
        for link in links:
            ends = np.concatenate(strokes[: counts[0.0]])
            assert np.hypot(*(ends - link[0]).T).min() < 1e-9
            assert np.hypot(*(ends - link[-1]).T).min() < 1e-9
    assert counts == {0.0: 3, 1.0: 5}
    lifting = dataclasses.replace(base, joining=1.0, lifts=frozenset("n"))
    assert len(write_word(lifting, "nnn", np.random.default_rng(0))) == 3


def test_words_outside_the_alphabet_are_refused() -> None:
    for text in ("", "na\u00efve", "two words"):
        with pytest.raises(InputError, match="characters"):
            write_word(make_writer(0), text, np.random.default_rng(0))


def test_drawn_words_are_dark_on_light() -> None:
    for seed in range(20):
        image = draw_word(make_writer(seed), "sample", np.random.default_rng(seed))
        assert image.dtype == np.uint8
        assert image.min() < 60
        assert np.median(image) == 255
        assert (image[:, 0] == 255).all()
        assert 20 <= image.shape[0] <= 120
        assert image.shape[1] > image.shape[0]
    comma = draw_word(make_writer(0), ",", np.random.default_rng(0))
    assert (comma < 255).any(axis=1).sum() < comma.shape[0]


def test_word_list_is_sorted_unique_and_in_the_alphabet() -> None:
    words = load_words()
    assert list(words) == sorted(set(words))
    assert len(words) > 12_000
    assert set("".join(words)) <= set(IAM78)
    assert {"the", "because", "letter", "child's"} <= set(words)


def test_texts_are_mostly_short_small_words() -> None:
    rng = np.random.default_rng(0)
    texts = [make_text(rng) for _ in range(6000)]
    assert set("".join(texts)) <= set(IAM78)
    lengths = np.array([len(text) for text in texts])
    assert lengths.min() == 1
    assert lengths.max() <= 13
    assert np.mean((lengths >= 2) & (lengths <= 9)) > 0.9
    assert 0.55 < np.mean([text.isalpha() and text.islower() for text in texts]) < 0.8
    for found in (str.isdigit, lambda t: len(t) > 1 and t.isupper(), lambda t: "'" in t, lambda t: t[-1] in ".,!?"):
        assert 0.01 < np.mean([bool(found(text)) for text in texts]) < 0.2
    assert set("".join(texts)) >= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'-")


def test_read_synthetic_is_the_same_for_any_number_of_workers() -> None:
    one = list(parse_synthetic(writers=10, words_per_writer=3, seed=4, workers=1))
    two = list(parse_synthetic(writers=10, words_per_writer=3, seed=4, workers=2))
    assert one == two
    assert [sample.id for sample in one[:4]] == [
        "synthetic-w0000-0000",
        "synthetic-w0000-0001",
        "synthetic-w0000-0002",
        "synthetic-w0001-0000",
    ]
    assert len({sample.id for sample in one}) == 30
    assert {sample.writer for sample in one} == {f"w{i:04d}" for i in range(10)}
    fewer = list(parse_synthetic(writers=2, words_per_writer=2, seed=4, workers=1))
    assert fewer == [one[0], one[1], one[3], one[4]]
    assert one[0].image != next(parse_synthetic(writers=1, words_per_writer=1, seed=5)).image
    for sample in one:
        assert set(sample.text) <= set(IAM78)
        assert open_grey(sample.image, sample.id).min() < 100


def test_read_synthetic_refuses_counts_that_are_not_positive() -> None:
    for writers, words, seed in ((0, 1, 0), (1, 0, 0), (1, 1, -1)):
        with pytest.raises(InputError, match="synthetic writers"):
            next(parse_synthetic(writers=writers, words_per_writer=words, seed=seed))
