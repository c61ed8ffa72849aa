"""The flags that choose a decoder, the same in every command that reads."""

import argparse
import dataclasses
import math
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import Parser
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.decoding.decoder import Decoder
    from hwr_jax.decoding.settings import DecoderSettings, TextParts
    from hwr_jax.text.alphabet import Alphabet

# Flag -> field of FusionWeights.
_WEIGHTS = {
    "language_model_weight": "language_model",
    "length_bonus": "length_bonus",
    "lexicon_weight": "lexicon",
    "escape": "escape",
}
_BEAM_ONLY = ("beam_width", "candidates", "language_model", "lexicon", *_WEIGHTS)


def add_decoder_options(parser: Parser, *, default: str = "greedy", temperature: bool = True) -> None:
    """--decoder and what it takes; --temperature only if asked for."""
    group = parser.add_argument_group("decoder", "see docs/decoding.md")
    group.add_argument(
        "--decoder",
        metavar="greedy|beam|tuned|FILE.json",
        default=default,
        help=f"tuned: decoder.json beside the model, as hwr tune-decoder writes it (default {default})",
    )
    group.add_argument("--beam_width", type=int, metavar="N", help="prefixes kept after each frame (default 32)")
    group.add_argument(
        "--candidates", type=int, metavar="N", help="characters tried in each frame, 0 for all (default 12)"
    )
    group.add_argument("--language_model", metavar="FILE.arpa[.gz]", help="made by hwr language-model train")
    group.add_argument("--lexicon", metavar="FILE", help="one word a line, which a tab and a count may follow")
    group.add_argument("--language_model_weight", type=float, metavar="X", help="of its log probability")
    group.add_argument("--length_bonus", type=float, metavar="NATS", help="added for each character")
    group.add_argument("--lexicon_weight", type=float, metavar="X", help="of the log probability of words")
    group.add_argument(
        "--escape", type=float, metavar="NATS", help="price of a word outside the lexicon, below 0; -inf: none pass"
    )
    if temperature:
        group.add_argument("--temperature", type=float, metavar="T", help="of the confidences (default 1, or as tuned)")
    else:
        parser.set_defaults(temperature=None)


def resolve_settings(options: argparse.Namespace, model: str) -> "DecoderSettings":
    """The settings that the flags ask for; a flag takes the place of what the tuned file says.

    Args:
      options: parsed with `add_decoder_options`.
      model: name or path of the model, beside which "tuned" looks.

    Raises:
      InputError: no such decoder or file, or a flag that would change nothing.
    """
    from hwr_jax.decoding.settings import DECODERS, GREEDY, TextFile, find_settings, usual_weights
    from hwr_jax.training.load import model_folder

    given: dict[str, Any] = {name: value for name in _BEAM_ONLY if (value := getattr(options, name)) is not None}
    tuned = options.decoder not in DECODERS
    settings = find_settings(options.decoder, model_folder(model))
    if settings.decoder == GREEDY and given:
        raise InputError(f"--{next(iter(given))}: has no effect on greedy decoding; give --decoder=beam")
    changes: dict[str, Any] = {name: given[name] for name in ("beam_width", "candidates") if name in given}
    changes |= {name: TextFile(given[name]) for name in ("language_model", "lexicon") if name in given}
    changes |= {"temperature": options.temperature} if options.temperature is not None else {}
    settings = dataclasses.replace(settings, **changes)
    weights = {_WEIGHTS[name]: given[name] for name in _WEIGHTS if name in given}
    for flag, name in _WEIGHTS.items():
        if name in weights and name not in settings.weights_in_use:
            part = "--language_model" if name == "language_model" else "--lexicon"
            raise InputError(f"--{flag}: has no effect without {part}")
        if flag in given and math.isnan(given[flag]):
            raise InputError(f"--{flag}={given[flag]}: not a number")
    usual = usual_weights(language_model=bool(settings.language_model), lexicon=bool(settings.lexicon))
    return dataclasses.replace(settings, weights=dataclasses.replace(settings.weights if tuned else usual, **weights))


def build_from_settings(settings: "DecoderSettings", alphabet: "Alphabet") -> "tuple[Decoder, TextParts]":
    """The decoder of the settings and the files it was made of. Several devices each take a share of the rows."""
    import jax

    from hwr_jax.decoding.settings import build_decoder, load_text_parts

    parts = load_text_parts(settings, alphabet)
    devices = jax.local_devices()
    return build_decoder(settings, alphabet, parts, devices if len(devices) > 1 else ()), parts
