"""The English language model and word list of the package: whole, small, and of use."""

import string

import numpy as np
import pytest

from hwr_jax.decoding.arpa import read_arpa
from hwr_jax.decoding.decoder import BeamDecoder
from hwr_jax.decoding.english import LANGUAGE_MODEL_FILE, LEXICON_FILE, has_english_letters
from hwr_jax.decoding.language_model import build_ngram_tables, restrict_characters
from hwr_jax.decoding.lexicon import load_lexicon
from hwr_jax.decoding.settings import (
    DecoderSettings,
    TextFile,
    choose_decoder,
    load_settings,
    load_text_parts,
    save_settings,
    usual_weights,
    with_english,
)
from hwr_jax.text.alphabet import Alphabet, resolve_alphabet

IAM78 = resolve_alphabet("iam78")


@pytest.fixture(scope="module")
def language_model():
    return read_arpa(LANGUAGE_MODEL_FILE)


def test_the_files_are_small_and_say_where_they_are_from():
    assert LANGUAGE_MODEL_FILE.stat().st_size + LEXICON_FILE.stat().st_size <= 2_000_000
    licence = (LANGUAGE_MODEL_FILE.parent / "LICENSE").read_text(encoding="utf-8")
    assert all(source in licence for source in ("WordNet", "SCOWL", "Jane Austen", "experiments.english"))


def test_english_is_likelier_than_noise(language_model):
    for text, noise in (("the house", "eht hsuoe"), ("She was there.", "Sje vas tnere.")):
        assert language_model.log_prob(text) > language_model.log_prob(noise) + 5
    words = load_lexicon(LEXICON_FILE)
    assert words.words["the"] > words.words["aardvark"] > 0
    assert len(words.words) > 50_000
    assert words.signs[" "] > words.signs["?"]


def test_a_text_without_spaces_is_a_word_of_a_running_text(language_model):
    tables = build_ngram_tables(restrict_characters(language_model, IAM78), IAM78)
    spaced = build_ngram_tables(language_model, resolve_alphabet("iam79"))
    after_space = int(spaced.next_SxK[0, 1])  # the space is the first character of iam79
    # A word begins as it does after a space, and ends at a space or at the end of a text.
    np.testing.assert_allclose(tables.log_probs_SxK[tables.start, 1:79], spaced.log_probs_SxK[after_space, 2:80])
    ends = np.logaddexp(spaced.log_ends_S, spaced.log_probs_SxK[:, 1])
    np.testing.assert_allclose(tables.log_ends_S[tables.start], ends[after_space], rtol=1e-6)
    assert follow(tables, "the") > follow(tables, "eht") + 3


def follow(tables, text: str) -> float:
    row, total = int(tables.start), 0.0
    for class_id in IAM78.encode(text).tolist():
        total += float(tables.log_probs_SxK[row, class_id])
        row = int(tables.next_SxK[row, class_id])
    return total + float(tables.log_ends_S[row])


def test_a_model_is_restricted_to_the_characters_of_an_alphabet(language_model):
    alphabet = Alphabet(string.ascii_lowercase)
    restricted = restrict_characters(language_model, alphabet)
    assert restricted.characters == " " + string.ascii_lowercase
    assert restricted.log_prob("house") == pytest.approx(language_model.log_prob("house"))
    assert build_ngram_tables(restricted, alphabet).log_probs_SxK.shape[1] == alphabet.num_classes


@pytest.mark.parametrize(
    ("characters", "english"),
    [
        (IAM78.characters, True),
        (string.ascii_lowercase, True),
        (resolve_alphabet("latin1-european").characters, False),
        ("0123456789", False),
        (string.ascii_uppercase, False),
        ("".join(sorted(string.ascii_letters + "ß")), False),
    ],
)
def test_which_letters_are_english(characters, english):
    alphabet = Alphabet(characters)
    assert has_english_letters(alphabet) == english
    assert (with_english(DecoderSettings("beam"), alphabet).language_model is not None) == english


def test_a_beam_takes_english_and_says_so(tmp_path):
    chosen = choose_decoder("beam", IAM78)
    assert isinstance(chosen.decoder, BeamDecoder)
    assert chosen.decoder.text_model is not None
    assert chosen.label == "beam + English"
    assert chosen.about["language_model"]["path"] == chosen.about["lexicon"]["path"] == "english"
    assert choose_decoder(DecoderSettings("beam"), IAM78).decoder.text_model is None
    lexicon = DecoderSettings("beam", lexicon=TextFile("english"))
    assert lexicon.label == "beam + English lexicon"
    save_settings(tmp_path / "decoder.json", lexicon, load_text_parts(lexicon, IAM78), {})
    assert load_settings(tmp_path / "decoder.json").lexicon.path == "english"
    assert usual_weights(lexicon) != usual_weights(with_english(DecoderSettings("beam"), IAM78))
