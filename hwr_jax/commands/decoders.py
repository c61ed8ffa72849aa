"""The flags that choose a decoder, the same in every command that has one."""

import argparse
import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwr_jax.commands.options import Parser
from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.decoding.settings import DecoderSettings
    from hwr_jax.text.alphabet import Alphabet

NONE = "none"  # in place of a language model or a lexicon
# Of beam search: flag, type, metavar, help.
_FLAGS: tuple[tuple[str, Any, str, str], ...] = (
    ("beam_width", int, "N", "prefixes kept after each frame (default 32)"),
    ("candidates", int, "N", "characters tried in each frame, 0 for all (default 12)"),
    ("language_model", str, "FILE.arpa[.gz]", "made by hwr language-model train; english: the package's; or none"),
    ("lexicon", str, "FILE", "one word a line, maybe with a tab and its count; english: the package's; or none"),
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
    group = parser.add_argument_group(
        "decoder (see docs/decoding.md)",
        "beam takes the English language model and lexicon of the package where the model's letters are English and "
        "neither is named; --language_model=none leaves both out.",
    )
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


def resolve_decoder(options: argparse.Namespace, model: str) -> "Callable[[Alphabet], DecoderSettings] | str":
    """`resolve_settings` of an alphabet; with --parts a name that is in no table: the parts may hold such a decoder."""
    from hwr_jax.decoding.settings import DECODERS, TUNED

    if not options.parts or options.decoder in (*DECODERS, TUNED) or options.decoder.endswith(".json"):
        return functools.partial(resolve_settings, options, model)
    if given := next((name for name, *_ in _FLAGS if getattr(options, name) is not None), None):
        raise InputError(f"--{given}: has no effect on a decoder of one's own; leave it out")
    return str(options.decoder)


def resolve_settings(options: argparse.Namespace, model: str, alphabet: "Alphabet") -> "DecoderSettings":
    """The settings that the flags ask for; a flag takes the place of what the tuned file says.

    `model` is the name or path of the model, beside which "tuned" looks; `alphabet` is the model's. Raises InputError:
    no such decoder or file, or a flag that would change nothing.
    """
    from hwr_jax.decoding.settings import DECODERS, GREEDY, TextFile, find_settings, usual_weights, with_english
    from hwr_jax.training.load import model_folder

    given: dict[str, Any] = {name: value for name, *_ in _FLAGS if (value := getattr(options, name)) is not None}
    settings = find_settings(options.decoder, model_folder(model))
    if settings.decoder == GREEDY and given:
        raise InputError(f"--{next(iter(given))}: has no effect on greedy decoding; give --decoder=beam")
    weights = {field: given.pop(name) for name, field in _WEIGHTS.items() if name in given}
    files = [name for name in ("language_model", "lexicon") if name in given]
    given |= {name: None if given[name] == NONE else TextFile(given[name]) for name in files}
    given |= {} if options.temperature is None else {"temperature": options.temperature}
    settings = dataclasses.replace(settings, **given)
    usual = settings.weights
    if options.decoder in DECODERS:
        settings = settings if files else with_english(settings, alphabet)
        usual = usual_weights(settings)
    for flag, name in _WEIGHTS.items():
        if name in weights and name not in settings.weights_in_use:
            part = "--language_model" if name == "language_model" else "--lexicon"
            raise InputError(f"--{flag}: has no effect without {part}")
        if math.isnan(weights.get(name, 0.0)):
            raise InputError(f"--{flag}={weights[name]}: not a number")
    return dataclasses.replace(settings, weights=dataclasses.replace(usual, **weights))
