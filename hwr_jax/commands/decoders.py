"""The flags that choose a decoder, the same in every command that has one."""

import argparse
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import Parser
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.decoding.settings import DecoderSettings

# Of beam search: flag, type, metavar, help.
_FLAGS: tuple[tuple[str, Any, str, str], ...] = (
    ("beam_width", int, "N", "prefixes kept after each frame (default 32)"),
    ("candidates", int, "N", "characters tried in each frame, 0 for all (default 12)"),
    ("language_model", str, "FILE.arpa[.gz]", "made by hwr language-model train"),
    ("lexicon", str, "FILE", "one word a line, maybe with a tab and its count"),
    ("language_model_weight", float, "X", "factor of the language model's log probability"),
    ("length_bonus", float, "NATS", "added for each character"),
    ("lexicon_weight", float, "X", "factor of the words' log probability"),
    ("escape", float, "NATS", "price of a word outside the lexicon, below 0; -inf: none pass"),
)
# Flag -> field of FusionWeights.
_WEIGHTS = {
    "language_model_weight": "language_model",
    "length_bonus": "length_bonus",
    "lexicon_weight": "lexicon",
    "escape": "escape",
}


def add_parts_option(parser: Parser) -> None:
    """--parts."""
    help = "a config file whose parts(config) holds the encoder that the run was trained with, or decoders by name"
    parser.add_argument("--parts", type=Path, metavar="FILE.py", help=help)


def add_decoder_options(parser: Parser, *, default: str = "greedy", temperature: bool = True) -> None:
    """--decoder and what it takes; --temperature only if asked for."""
    group = parser.add_argument_group("decoder (see docs/decoding.md)")
    group.add_argument(
        "--decoder",
        metavar="greedy|beam|tuned|FILE.json",
        default=default,
        help=f"tuned: decoder.json beside the model, as hwr tune-decoder writes it (default {default})",
    )
    for name, kind, metavar, text in _FLAGS:
        group.add_argument(f"--{name}", type=kind, metavar=metavar, help=text)
    if temperature:
        group.add_argument("--temperature", type=float, metavar="T", help="of the confidences (default 1, or as tuned)")
    else:
        parser.set_defaults(temperature=None)


def resolve_decoder(options: argparse.Namespace, model: str) -> "DecoderSettings | str":
    """As `resolve_settings`; with --parts a name that is in no table stays: the parts may hold such a decoder."""
    from hwr_jax.decoding.settings import DECODERS, TUNED

    if not options.parts or options.decoder in (*DECODERS, TUNED) or options.decoder.endswith(".json"):
        return resolve_settings(options, model)
    if given := next((name for name, *_ in _FLAGS if getattr(options, name) is not None), None):
        raise InputError(f"--{given}: has no effect on a decoder of one's own; leave it out")
    return str(options.decoder)


def resolve_settings(options: argparse.Namespace, model: str) -> "DecoderSettings":
    """The settings that the flags ask for; a flag takes the place of what the tuned file says.

    `model` is the name or path of the model, beside which "tuned" looks. Raises InputError: no such decoder or file, or
    a flag that would change nothing.
    """
    from hwr_jax.decoding.settings import DECODERS, GREEDY, TextFile, find_settings, usual_weights
    from hwr_jax.training.load import model_folder

    given: dict[str, Any] = {name: value for name, *_ in _FLAGS if (value := getattr(options, name)) is not None}
    settings = find_settings(options.decoder, model_folder(model))
    if settings.decoder == GREEDY and given:
        raise InputError(f"--{next(iter(given))}: has no effect on greedy decoding; give --decoder=beam")
    weights = {field: given.pop(name) for name, field in _WEIGHTS.items() if name in given}
    given |= {name: TextFile(given[name]) for name in ("language_model", "lexicon") if name in given}
    given |= {} if options.temperature is None else {"temperature": options.temperature}
    settings = dataclasses.replace(settings, **given)
    for flag, name in _WEIGHTS.items():
        if name in weights and name not in settings.weights_in_use:
            part = "--language_model" if name == "language_model" else "--lexicon"
            raise InputError(f"--{flag}: has no effect without {part}")
        if math.isnan(weights.get(name, 0.0)):
            raise InputError(f"--{flag}={weights[name]}: not a number")
    if options.decoder in DECODERS:
        usual = usual_weights(language_model=bool(settings.language_model), lexicon=bool(settings.lexicon))
    else:
        usual = settings.weights
    return dataclasses.replace(settings, weights=dataclasses.replace(usual, **weights))
