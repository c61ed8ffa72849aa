"""Right-to-left texts: their order on paper, and a model that learns them from labels in Unicode's order."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import hwr_jax
from hwr_jax.config_files import load_config_file
from hwr_jax.data.formats.entries import make_sample
from hwr_jax.data.labels import frames_needed
from hwr_jax.data.prepared import prepare
from hwr_jax.decoding.language_model import build_ngram_tables
from hwr_jax.decoding.lexicon import build_lexicon
from hwr_jax.decoding.lexicon_tables import build_lexicon_tables
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.text.alphabet import Alphabet, alphabet_of
from hwr_jax.text.direction import to_logical, to_visual

# As Unicode has them, and as they stand on paper from the left.
TEXTS = {
    "word!": "word!",
    "שלום": "םולש",
    "שלום abc 123": "abc 123 םולש",
    "(שלום) 12:30, עולם!": "!םלוע ,12:30 (םולש)",
    "מחיר 1,000.50 שח": "חש 1,000.50 ריחמ",
    "السلام 2024 - 5%": "%5 - 2024 مالسلا",
    "He said שלום to me": "He said םולש to me",
    "Ann אמר שלום": "םולש רמא Ann",
}
LETTERS = "אבגדהו"
PARTS = ((0,), (1,), (2,), (3,), (0, 1), (2, 3), (0, 1, 2), (1, 2, 3))  # of the letters and of 1 and 2, from the top


@pytest.mark.parametrize("text", TEXTS)
def test_the_order_on_paper_and_back(text):
    visual = TEXTS[text]
    assert to_visual(text) == visual
    found, order = to_logical(visual)
    assert found == text
    assert sorted(order) == list(range(len(text)))
    assert [visual[index] for index in order if visual[index] not in "()"] == [c for c in text if c not in "()"]


@given(st.lists(st.sampled_from(["אב", "גדה", "abc", "Zx"]), min_size=1, max_size=6), st.sampled_from(LETTERS))
def test_words_of_two_scripts_come_back(words, letter):
    text = " ".join([letter, *words, letter])  # at an end, a word of the other script could belong to either side
    assert to_logical(to_visual(text))[0] == text


def test_an_alphabet_turns_labels_and_readings():
    alphabet = alphabet_of(["(אב 12"])
    assert set("()") < set(alphabet.characters)  # a bracket is mirrored on paper
    ids = alphabet.encode("(אב 12")
    assert "".join(alphabet.characters[id - 1] for id in ids) == "12 בא)"
    assert alphabet.decode(ids.tolist()) == "(אב 12"


def test_equal_neighbours_are_counted_as_they_stand_on_paper():
    assert frames_needed("א11 1א") == frames_needed("אא א") + 2  # "א1 11א", a blank between the ones


def test_marks_of_direction_are_left_out_of_labels():
    assert make_sample("a", "\u200fשלום\u200e", "w", b"").text == "שלום"


def test_language_models_and_lexicons_learn_the_order_on_paper():
    alphabet = Alphabet("אבג")
    model = train_language_model(["אבג"] * 3, order=3, characters=alphabet.characters)
    assert model.log_prob("גבא") > model.log_prob("אבג")
    assert build_ngram_tables(model, alphabet).log_probs_SxK.shape[1] == alphabet.num_classes
    tables = build_lexicon_tables(build_lexicon(["אבג"]), alphabet)
    mirrored = build_lexicon_tables(build_lexicon(["cba"]), Alphabet("abc"))
    np.testing.assert_array_equal(tables.children_SxM, mirrored.children_SxM)


def draw(visual: str, rng: random.Random) -> Image.Image:
    """Each character is a column of ink and gaps of its own, so that a small model learns it in seconds."""
    grey_HxW = np.full((32, 16 * len(visual) + 12), 255, np.uint8)
    for index, character in enumerate(visual):
        left = 10 + 16 * index + rng.randrange(3)
        for part in PARTS[(LETTERS + "12").index(character)]:
            grey_HxW[2 + 7 * part : 8 + 7 * part, left : left + 6] = 0
    return Image.fromarray(grey_HxW)


@pytest.mark.usefixtures("quick_compilation")
def test_a_model_learns_labels_in_unicode_s_order(tmp_path):
    rng, source = random.Random(0), tmp_path / "pairs"
    source.mkdir()
    for index in range(300):
        word = "".join(rng.choices(LETTERS, k=2))
        word += "".join(rng.choices("12", k=rng.randint(0, 2)) + rng.choices(LETTERS, k=rng.randint(0, 2)))
        draw(to_visual(word), rng).save(source / f"{index}.png")
        (source / f"{index}.txt").write_text(word, encoding="utf-8")
    prepare("pairs/hebrew", source, data_dir=tmp_path / "data", workers=1)
    config = load_config_file("quickstart")
    data = {"name": "pairs/hebrew", "data_dir": str(tmp_path / "data"), "batch_size": 16, "workers": 1}
    model = {"alphabet": "training", "conv_features": (8, 16), "dense_features": 32, "lstm_features": (32,)}
    training = {"steps": 160, "evaluate_every_steps": 80, "parallel": "jit"}
    config.optimizer.learning_rate = 0.02
    for group, values in ((config.data, data), (config.model, model), (config.training, training)):
        for name, value in values.items():
            setattr(group, name, value)
    run = hwr_jax.train(config, tmp_path / "run")
    assert run.evaluation.cer < 0.05
    (sample, *_) = run.evaluation.evaluation.results
    reader = hwr_jax.load(tmp_path / "run")
    (reading,) = reader.read(source / f"{sample.id}.png", boxes=True)
    assert reading.text == sample.prediction
    assert "".join(box.character for box in reading.boxes) == reading.text
    assert reading.boxes[0].left > reading.boxes[1].left  # the first letter is on the right
