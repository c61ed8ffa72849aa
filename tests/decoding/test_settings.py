"""Settings of a decoder: what they build, what they say of themselves, and files that are not what they should be."""

import dataclasses
import hashlib
import json
import math
import os

import jax
import numpy as np
import pytest

from hwr_jax.decoding.arpa import write_arpa
from hwr_jax.decoding.decoder import BeamDecoder, GreedyDecoder
from hwr_jax.decoding.settings import (
    DecoderSettings,
    TextFile,
    build_decoder,
    choose_decoder,
    describe_settings,
    load_settings,
    load_text_parts,
    save_settings,
    usual_weights,
)
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.decoding.text_model import FusionWeights
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet

ALPHABET = Alphabet("abc")


@pytest.fixture
def files(tmp_path) -> tuple[TextFile, TextFile]:
    """A language model and a lexicon, in a folder below tmp_path."""
    folder = tmp_path / "run"
    write_arpa(train_language_model(["abc", "cab", "ab"], order=2), folder / "words.arpa.gz")
    (folder / "words.txt").write_text("abc\t3\ncab\ndada\n")
    return TextFile(str(folder / "words.arpa.gz")), TextFile(str(folder / "words.txt"))


@pytest.fixture
def settings(files) -> DecoderSettings:
    return DecoderSettings("beam", 4, 2, *files, weights=FusionWeights(0.5, 1.0, 0.3, -math.inf), temperature=1.5)


def test_greedy_and_plain_beam_need_no_files():
    assert build_decoder(DecoderSettings(temperature=2.0), ALPHABET) == GreedyDecoder(ALPHABET, 2.0)
    beam = build_decoder(DecoderSettings("beam", candidates=0), ALPHABET)
    assert isinstance(beam, BeamDecoder)
    assert (beam.width, beam.candidates, beam.text_model) == (32, None, None)
    assert DecoderSettings().label == "greedy"
    assert describe_settings(DecoderSettings()) == {"decoder": "greedy", "temperature": 1.0}
    plain = describe_settings(DecoderSettings("beam"))
    assert plain["weights"] == {"length_bonus": 0.0}


def test_a_length_bonus_alone_counts():
    # Two frames: "" is likelier than "a", until a character brings more than it costs.
    log_probs_1x2xK = np.log(np.array([[[0.01, 0.3, 0.01, 0.01, 0.01, 0.66]] * 2], np.float32))
    texts = []
    for bonus in (-2.0, 0.0, 9.0):
        decoder = build_decoder(DecoderSettings("beam", weights=FusionWeights(length_bonus=bonus)), ALPHABET)
        texts.append(decoder.decode(log_probs_1x2xK)[0][0].text)
    assert [len(text) for text in texts] == [0, 1, 2]


def test_all_parts(settings, files):
    parts = load_text_parts(settings, ALPHABET)
    decoder = build_decoder(settings, ALPHABET, parts)
    assert isinstance(decoder, BeamDecoder)
    assert (decoder.width, decoder.candidates, decoder.temperature) == (4, 2, 1.5)
    assert decoder.text_model.ngrams is parts.ngrams
    assert float(decoder.text_model.lexicon_weight) == pytest.approx(0.3)
    log_probs = np.asarray(jax.nn.log_softmax(jax.random.normal(jax.random.key(0), (9, 6, ALPHABET.num_classes))))
    read = {row[0].text for row in decoder.decode(log_probs)}
    assert read <= {"", "abc", "cab", "Abc"}
    assert settings.label == "beam + language model + lexicon"
    plain = json.loads(json.dumps(describe_settings(settings, parts)))
    assert plain["weights"] == {"language_model": 0.5, "length_bonus": 1.0, "lexicon": 0.3, "escape": "-inf"}
    for name, file in zip(("language_model", "lexicon"), files, strict=True):
        with open(file.path, "rb") as opened:
            assert plain[name]["sha256"] == hashlib.sha256(opened.read()).hexdigest()
    assert plain["language_model"]["order"] == 2
    assert (plain["lexicon"]["words"], plain["lexicon"]["words_outside_alphabet"]) == (3, 1)


def test_weights_that_count(settings):
    assert settings.weights_in_use == ("language_model", "length_bonus", "lexicon", "escape")
    assert dataclasses.replace(settings, lexicon=None).weights_in_use == ("language_model", "length_bonus")
    assert DecoderSettings().weights_in_use == ()
    assert usual_weights(DecoderSettings()).length_bonus == 0


def test_a_file_of_settings_and_its_folder_moved(settings, tmp_path):
    parts = load_text_parts(settings, ALPHABET)
    save_settings(tmp_path / "run" / "decoder.json", settings, parts, {"wer": 0.5})
    again = load_settings(tmp_path / "run" / "decoder.json")
    assert again.language_model.sha256 == parts.about["language_model"]["sha256"]
    unhashed = {name: TextFile(getattr(again, name).path) for name in ("language_model", "lexicon")}
    assert dataclasses.replace(again, **unhashed) == settings
    os.rename(tmp_path / "run", tmp_path / "moved")
    moved = load_settings(tmp_path / "moved" / "decoder.json")
    assert load_text_parts(moved, ALPHABET).about["lexicon"]["words"] == 3
    # A file elsewhere keeps its whole path.
    save_settings(tmp_path / "other" / "decoder.json", moved, load_text_parts(moved, ALPHABET), {})
    assert load_settings(tmp_path / "other" / "decoder.json").lexicon.path == str(tmp_path / "moved" / "words.txt")


def test_a_file_that_changed_since_is_refused(settings, tmp_path):
    save_settings(tmp_path / "decoder.json", settings, load_text_parts(settings, ALPHABET), {})
    (tmp_path / "run" / "words.txt").write_text("abc\n")
    with pytest.raises(InputError, match=r"words\.txt: not the lexicon that the decoder was tuned with") as caught:
        load_text_parts(load_settings(tmp_path / "decoder.json"), ALPHABET)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "decoder settings cannot be read"),
        (b"{", "not decoder settings as hwr tune-decoder writes them"),
        (b"\xff", "not decoder settings as hwr tune-decoder writes them"),
        (b"[1]", "not decoder settings as"),
        (b"{}", "not decoder settings of format 1"),
        (b'{"format": 1, "beam_widht": 3}', r"beam_widht: no such field; did you mean 'beam_width'"),
        (b'{"format": 1, "decoder": "beem"}', "decoder 'beem': no such decoder; take greedy or beam"),
        (b'{"format": 1, "decoder": "beam", "weights": {"escape": "low"}}', r"weights\.escape: expected float"),
    ],
)
def test_wrong_files_of_settings(content, message, tmp_path):
    path = tmp_path / "decoder.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_settings(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "bean"}, "no such decoder"),
        ({"beam_width": 0}, "beam_width 0: must be at least 1"),
        ({"candidates": -1}, "candidates -1"),
        ({"temperature": 0.0}, r"temperature 0\.0: must be above 0"),
        ({"temperature": math.inf}, "temperature inf"),
        ({"lexicon": TextFile("words.txt")}, "knows no language model and no lexicon"),
    ],
)
def test_senseless_settings(options, message):
    with pytest.raises(InputError, match=message):
        DecoderSettings(**options)


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("language_model", None, "language model cannot be read"),
        ("language_model", "\\data\\\nngram 1=9\n\n\\1-grams:\n-1 <s>\n", "cut short"),
        (
            "language_model",
            "\\data\\\nngram 1=3\n\n\\1-grams:\n-1 <s>\n-1 </s>\n-1 д\n\n\\end\\\n",
            "not in the recognizer's",
        ),
        ("lexicon", None, "lexicon cannot be read"),
        ("lexicon", "\n", "an empty lexicon"),
        ("lexicon", "дом\n", "none of its 1 word can be spelled"),
    ],
)
def test_wrong_text_files(part, content, message, tmp_path):
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        load_text_parts(DecoderSettings("beam", **{part: TextFile(str(path))}), ALPHABET)
    assert str(caught.value).startswith(f"{path}")
    assert "\n" not in str(caught.value)


class Shouts:
    """A decoder of one's own."""

    def __init__(self, alphabet: Alphabet) -> None:
        self.greedy = GreedyDecoder(alphabet)

    def decode(self, log_probs_BxTxK, frames_B=None, n_best=1):
        found = self.greedy.decode(log_probs_BxTxK, frames_B)
        return [tuple(dataclasses.replace(h, text=h.text.upper()) for h in row) for row in found]


def test_a_decoder_is_chosen_by_name_file_settings_or_as_it_is(settings, tmp_path):
    greedy = choose_decoder("greedy", ALPHABET)
    assert (greedy.decoder, greedy.label) == (GreedyDecoder(ALPHABET), "greedy")
    assert greedy.about == {"decoder": "greedy", "temperature": 1.0}
    assert choose_decoder("beam", ALPHABET).decoder.text_model is None
    path = tmp_path / "decoder.json"
    save_settings(path, settings, load_text_parts(settings, ALPHABET), {})
    for choice in ("tuned", path, str(path), settings):
        chosen = choose_decoder(choice, ALPHABET, folder=tmp_path)
        assert (chosen.decoder.width, chosen.label) == (4, "beam + language model + lexicon")
        assert chosen.about["lexicon"]["words"] == 3
    own = Shouts(ALPHABET)
    assert choose_decoder(own, ALPHABET).decoder is own
    named = choose_decoder("shouts", ALPHABET, own={"shouts": Shouts})
    assert (named.label, named.about) == ("shouts", {"decoder": "shouts"})
    assert isinstance(named.decoder, Shouts)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("shout", "decoder 'shout': no such decoder; take greedy, beam, tuned or a FILE.json"),
        ("tuned", "decoder 'tuned': this model comes without decoder.json; give a settings FILE.json"),
        ("gone.json", r"gone\.json: decoder settings cannot be read"),
    ],
)
def test_wrong_choices(choice, message):
    with pytest.raises(InputError, match=message):
        choose_decoder(choice, ALPHABET)
