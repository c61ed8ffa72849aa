"""The flags of decoders: what they come to, and flags that would change nothing."""

import dataclasses
import math
from pathlib import Path

import pytest

from hwr_jax.commands.decoders import add_decoder_options, resolve_settings
from hwr_jax.commands.options import Parser
from hwr_jax.decoding.arpa import write_arpa
from hwr_jax.decoding.settings import (
    DecoderSettings,
    TextFile,
    load_text_parts,
    save_settings,
    usual_weights,
    with_english,
)
from hwr_jax.decoding.smoothing import train_language_model
from hwr_jax.decoding.text_model import FusionWeights
from hwr_jax.errors import InputError
from hwr_jax.text.alphabet import Alphabet, resolve_alphabet
from hwr_jax.training.load import model_folder

AB = Alphabet("ab")


@pytest.fixture
def model(tmp_path) -> Path:
    """The folder of a model with a tuned decoder beside it."""
    path = tmp_path / "words.arpa"
    write_arpa(train_language_model(["ab", "ba"], order=2), path)
    settings = DecoderSettings(
        "beam", 5, 0, TextFile(str(path)), weights=FusionWeights(0.4, 1.5, 0.3, -10.0), temperature=1.5
    )
    save_settings(tmp_path / "decoder.json", settings, load_text_parts(settings, Alphabet("ab")), {})
    return tmp_path


def resolve(model, *flags, alphabet=AB) -> DecoderSettings:
    parser = Parser(prog="hwr test")
    add_decoder_options(parser)
    return resolve_settings(parser.parse_args([str(flag) for flag in flags]), str(model), alphabet)


def test_defaults_are_those_for_the_parts_that_are_there(model):
    assert resolve(model) == DecoderSettings()
    assert resolve(model, "--decoder=beam").weights.length_bonus == 0
    with_lexicon = resolve(model, "--decoder=beam", "--lexicon=words.txt", "--escape=-inf", "--beam_width=7")
    assert with_lexicon.lexicon == TextFile("words.txt")
    assert with_lexicon.weights.escape == -math.inf
    assert with_lexicon.weights.lexicon == usual_weights(with_lexicon).lexicon
    assert (with_lexicon.beam_width, with_lexicon.candidates) == (7, 12)
    assert resolve(model, "--temperature=2").temperature == 2


def test_a_beam_finds_english_for_a_model_with_english_letters(model):
    english = resolve_alphabet("iam78")
    found = resolve(model, "--decoder=beam", alphabet=english)
    assert (found.language_model, found.lexicon, found.label) == (
        TextFile("english"),
        TextFile("english"),
        "beam + English",
    )
    assert found == with_english(DecoderSettings("beam"), english)
    assert resolve(model, "--decoder=beam", "--language_model=none", alphabet=english) == DecoderSettings("beam")
    assert resolve(model, "--decoder=beam", "--lexicon=words.txt", alphabet=english).language_model is None
    own = resolve(model, "--decoder=beam", "--escape=-3", "--beam_width=4", alphabet=english)
    assert own.weights == dataclasses.replace(found.weights, escape=-3.0)
    for other in (resolve_alphabet("latin1-european"), Alphabet("0123456789"), Alphabet("abcאב")):
        assert resolve(model, "--decoder=beam", alphabet=other) == DecoderSettings("beam")
    assert resolve(model, "--decoder=beam", "--lexicon=english").label == "beam + English lexicon"
    assert resolve(model, "--decoder=tuned", "--language_model=none").language_model is None


def test_flags_take_the_place_of_what_was_tuned(model):
    tuned = resolve(model, "--decoder=tuned")
    assert (tuned.beam_width, tuned.temperature, tuned.weights.language_model) == (5, 1.5, 0.4)
    assert tuned.language_model.path == str(model / "words.arpa")
    assert tuned == resolve(model, f"--decoder={model / 'decoder.json'}")
    changed = resolve(model, "--decoder=tuned", "--language_model_weight=0.9", "--temperature=1", "--candidates=3")
    assert (changed.weights.language_model, changed.weights.length_bonus) == (0.9, 1.5)
    assert (changed.temperature, changed.candidates, changed.beam_width) == (1, 3, 5)
    other = resolve(model, "--decoder=tuned", "--language_model=other.arpa")
    assert other.language_model == TextFile("other.arpa")  # any file, not the hashed one


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--decoder=beem"], "decoder 'beem': no such decoder; take greedy, beam, tuned or a FILE.json"),
        (["--beam_width=4"], "--beam_width: has no effect on greedy decoding; give --decoder=beam"),
        (["--lexicon=words.txt"], "--lexicon: has no effect on greedy decoding"),
        (["--decoder=beam", "--escape=-3"], "--escape: has no effect without --lexicon"),
        (["--decoder=beam", "--language_model_weight=1"], "has no effect without --language_model"),
        (["--decoder=beam", "--length_bonus=nan"], "--length_bonus=nan: not a number"),
        (["--decoder=beam", "--lexicon=x", "--escape=3"], "escape 3.0: must be at most 0"),
        (["--decoder=beam", "--beam_width=0"], "beam_width 0: must be at least 1"),
        (["--temperature=0"], r"temperature 0\.0: must be above 0"),
        (["--decoder=gone.json"], r"gone\.json: decoder settings cannot be read"),
    ],
)
def test_wrong_flags(model, flags, message):
    with pytest.raises(InputError, match=message) as caught:
        resolve(model, *flags)
    assert "\n" not in str(caught.value)


def test_tuned_needs_a_file_beside_the_model(tmp_path):
    with pytest.raises(InputError, match=r"decoder 'tuned': no .*decoder\.json; run hwr tune-decoder first"):
        resolve(tmp_path, "--decoder=tuned")
    with pytest.raises(InputError, match=r"this model comes without decoder\.json"):
        resolve("unipen_words", "--decoder=tuned")
    assert model_folder("unipen_words") is None
    assert model_folder("runs/unipen_words") == Path("runs/unipen_words")
