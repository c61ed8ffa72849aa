"""Which decoder, with what: its settings as one value and on disk (decoder.json), and the decoder made from them."""

import dataclasses
import hashlib
import json
import math
import os
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from hwr_jax.decoding.arpa import read_arpa
from hwr_jax.decoding.calibrated import Calibrations
from hwr_jax.decoding.decoder import BeamDecoder, Decoder, GreedyDecoder
from hwr_jax.decoding.english import ENGLISH, LANGUAGE_MODEL_FILE, LEXICON_FILE, has_english_letters
from hwr_jax.decoding.kept_arrays import keep_arrays
from hwr_jax.decoding.language_model import NGramModel, NGramTables, build_ngram_tables, restrict_characters
from hwr_jax.decoding.lexicon import VARIANTS, load_lexicon
from hwr_jax.decoding.lexicon_tables import LexiconTables, build_lexicon_tables
from hwr_jax.decoding.text_model import FusionWeights, TextModel, build_text_model
from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.strict import build_dataclass
from hwr_jax.text.alphabet import Alphabet

GREEDY, BEAM, TUNED = "greedy", "beam", "tuned"
# What builds a decoder from the alphabet of the model's classes, by name; one of your own goes beside them as a part.
DECODERS: Mapping[str, Callable[[Alphabet], Decoder]] = {GREEDY: GreedyDecoder, BEAM: BeamDecoder}

FILE_NAME = "decoder.json"
FORMAT = 1
_TEXT_FILES = ("language_model", "lexicon")
_ENGLISH_FILES = {"language_model": LANGUAGE_MODEL_FILE, "lexicon": LEXICON_FILE}


@dataclasses.dataclass(frozen=True)
class TextFile:
    """A language model or a lexicon on disk."""

    path: str  # of the file; "english": the one that comes with the package
    sha256: str = ""  # of its bytes, in hex, where it must be this very file; "" takes what there is


@dataclasses.dataclass(frozen=True)
class DecoderSettings:
    """Which decoder, with what."""

    decoder: str = GREEDY  # "greedy" or "beam"
    beam_width: int = 32  # prefixes kept after each frame
    candidates: int = 12  # a frame's likeliest characters that are tried; 0 tries all
    language_model: TextFile | None = None  # ARPA file of a character model, or None
    lexicon: TextFile | None = None  # word list, or None
    # how much each part counts
    weights: FusionWeights = dataclasses.field(default_factory=lambda: FusionWeights(length_bonus=0.0))
    temperature: float = 1.0  # of the probabilities

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise InputError(f"decoder {self.decoder!r}: no such decoder; take {' or '.join(DECODERS)}")
        if self.decoder == GREEDY and (self.language_model or self.lexicon):
            raise InputError("decoder 'greedy': knows no language model and no lexicon; take beam")
        if self.beam_width < 1:
            raise InputError(f"beam_width {self.beam_width}: must be at least 1")
        if self.candidates < 0:
            raise InputError(f"candidates {self.candidates}: must be at least 1, or 0 for all")
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise InputError(f"temperature {self.temperature}: must be above 0")

    @property
    def label(self) -> str:
        """For people, such as "beam + language model + lexicon", or "beam + English" with both files of the package."""
        named = {name: file.path for name in _TEXT_FILES if (file := getattr(self, name))}
        if [*named.values()] == [ENGLISH, ENGLISH]:
            return f"{self.decoder} + English"
        files = ["English " * (path == ENGLISH) + name.replace("_", " ") for name, path in named.items()]
        return " + ".join([self.decoder, *files])

    @property
    def weights_in_use(self) -> tuple[str, ...]:
        """Names of the weights that change anything."""
        names = ["language_model"] if self.language_model else []
        names += ["length_bonus"] if self.decoder == BEAM else []
        names += ["lexicon", "escape"] if self.lexicon else []
        return tuple(names)


# Tuned on the 2,241 validation words of UNIPEN with the model unipen_words_large, see docs/decoding.md.
_ENGLISH_WEIGHTS = FusionWeights(language_model=0.3, length_bonus=0.5, lexicon=0.3, escape=-10.0)


def usual_weights(settings: DecoderSettings) -> FusionWeights:
    """About what validation words of UNIPEN ask for; `hwr tune-decoder` finds better ones for other models."""
    files = settings.language_model, settings.lexicon
    if all(file and file.path == ENGLISH for file in files):
        return _ENGLISH_WEIGHTS
    return {
        (True, True): FusionWeights(language_model=0.7, length_bonus=2.0, lexicon=0.3, escape=-10.0),
        (True, False): FusionWeights(language_model=1.0, length_bonus=2.0),
        (False, True): FusionWeights(length_bonus=1.5, lexicon=0.5, escape=-14.0),
        (False, False): FusionWeights(length_bonus=0.0),
    }[bool(settings.language_model), bool(settings.lexicon)]


def with_english(settings: DecoderSettings, alphabet: Alphabet) -> DecoderSettings:
    """A beam with the English language model and lexicon of the package, if the letters of the alphabet are English.

    Other decoders, and a beam that has a language model or a lexicon, stay as they are.
    """
    if settings.decoder != BEAM or settings.language_model or settings.lexicon or not has_english_letters(alphabet):
        return settings
    settings = dataclasses.replace(settings, language_model=TextFile(ENGLISH), lexicon=TextFile(ENGLISH))
    return dataclasses.replace(settings, weights=usual_weights(settings))


@dataclasses.dataclass(frozen=True, eq=False)
class TextParts:
    """The files of `DecoderSettings` in memory."""

    # Tables for the recognizer's alphabet, None where there is no file
    ngrams: NGramTables | None
    lexicon: LexiconTables | None
    about: Mapping[str, Mapping[str, Any]]  # per file, its path, sha256 and size, as plain values

    def build_text_model(self, weights: FusionWeights) -> TextModel | None:
        """The text model with these weights; None where it would add nothing."""
        if self.ngrams is None and self.lexicon is None and not weights.length_bonus:
            return None
        return build_text_model(weights, ngrams=self.ngrams, lexicon=self.lexicon)


def load_text_parts(settings: DecoderSettings, alphabet: Alphabet) -> TextParts:
    """Reads the files that the settings name.

    Raises InputError: a file is missing, damaged, empty, of another alphabet, or not the one that the settings name.
    """
    ngrams, lexicon = None, None
    about: dict[str, dict[str, Any]] = {}
    if settings.language_model:
        path, about["language_model"] = _check_file(settings.language_model, "language_model")
        sha256 = about["language_model"]["sha256"]
        model = NGramModel.from_arrays(keep_arrays("language_model", sha256, lambda: read_arpa(path).arrays))
        if settings.language_model.path == ENGLISH:
            model = restrict_characters(model, alphabet)
        ngrams = build_ngram_tables(model, alphabet, str(path))
        about["language_model"] |= {"order": model.order, "ngrams": model.num_ngrams}
    if settings.lexicon:
        path, about["lexicon"] = _check_file(settings.lexicon, "lexicon")
        words = load_lexicon(path)
        try:
            key = f"{about['lexicon']['sha256']} {alphabet.characters}"
            kept = keep_arrays("lexicon", key, lambda: build_lexicon_tables(words, alphabet).arrays)
            lexicon = LexiconTables(**{name: jnp.asarray(value) for name, value in kept.items()})
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        about["lexicon"] |= {
            "words": len(words.words),
            "words_outside_alphabet": len(words.unspellable(alphabet)),
            "variants": dict(VARIANTS),
        }
    return TextParts(ngrams, lexicon, about)


def build_decoder(
    settings: DecoderSettings, alphabet: Alphabet, parts: TextParts | None = None, devices: Sequence[jax.Device] = ()
) -> Decoder:
    """The decoder of the settings, on these devices (see `BeamDecoder`).

    `parts` is what `load_text_parts` gave for them; None reads the files now, and raises InputError as it does.
    """
    if settings.decoder == GREEDY:
        return GreedyDecoder(alphabet, settings.temperature)
    parts = parts or load_text_parts(settings, alphabet)
    return BeamDecoder(
        alphabet,
        parts.build_text_model(settings.weights),
        width=settings.beam_width,
        candidates=settings.candidates or None,
        temperature=settings.temperature,
        devices=devices,
    )


def describe_settings(settings: DecoderSettings, parts: TextParts | None = None) -> dict[str, Any]:
    """The settings as plain values for JSON; those that change nothing are left out. `escape` may be "-inf"."""
    plain: dict[str, Any] = {"decoder": settings.decoder}
    if settings.decoder == BEAM:
        weights = {name: getattr(settings.weights, name) for name in settings.weights_in_use}
        plain |= {
            "beam_width": settings.beam_width,
            "candidates": settings.candidates,
            "weights": {name: str(value) if math.isinf(value) else value for name, value in weights.items()},
        }
        for name in _TEXT_FILES:
            if file := getattr(settings, name):
                plain[name] = dict(parts.about[name]) if parts else dataclasses.asdict(file)
    return plain | {"temperature": settings.temperature}


def save_settings(path: Path, settings: DecoderSettings, parts: TextParts, tuned: Mapping[str, Any]) -> None:
    """Writes settings with the hashes of their files, as `load_settings` reads them. Raises OSError.

    Files that lie in the folder or below it are named relative to it, so that the folder can be moved as a whole.
    `tuned` says on what the settings were found, for people: JSON values.
    """
    plain = describe_settings(settings, parts)
    for name in _TEXT_FILES:
        if name in plain:
            file, folder = Path(plain[name]["path"]).resolve(), path.parent.resolve()
            named = file.relative_to(folder) if file.is_relative_to(folder) else file
            named = Path(ENGLISH) if plain[name]["path"] == ENGLISH else named
            plain[name] = {"path": str(named), "sha256": plain[name]["sha256"]}
    write_text(path, json.dumps({"format": FORMAT, **plain, "tuned": tuned}, indent=2, ensure_ascii=False) + "\n")


def load_settings(path: Path) -> DecoderSettings:
    """Reads what `save_settings` wrote. Raises InputError: no such file, or not one of these."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("not an object")
    except OSError as error:
        raise InputError(f"{path}: decoder settings cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(f"{path}: not decoder settings as hwr tune-decoder writes them ({error})") from error
    if values.pop("format", None) != FORMAT:
        raise InputError(f"{path}: not decoder settings of format {FORMAT}, the one this version reads; tune again")
    values.pop("tuned", None)
    if isinstance(weights := values.get("weights"), dict) and weights.get("escape") == "-inf":
        weights["escape"] = float("-inf")
    settings = build_dataclass(DecoderSettings, values, str(path))
    files = {name: file for name in _TEXT_FILES if (file := getattr(settings, name)) and file.path != ENGLISH}
    found = {name: dataclasses.replace(file, path=os.path.join(path.parent, file.path)) for name, file in files.items()}
    return dataclasses.replace(settings, **found)


# See `choose_decoder`.
DecoderChoice: TypeAlias = str | os.PathLike[str] | DecoderSettings | Decoder | Callable[[Alphabet], DecoderSettings]


@dataclasses.dataclass(frozen=True, eq=False)
class ChosenDecoder:
    """A decoder, and what is recorded with the numbers it gives."""

    decoder: Decoder
    label: str  # for people, such as "beam + lexicon"; the class's name for an object of one's own
    about: Mapping[str, Any]  # its settings as plain values, see `describe_settings`
    calibrations: Calibrations | None = None  # of the model's validation data, where the decoder is calibrated


def choose_decoder(
    choice: DecoderChoice,
    alphabet: Alphabet,
    *,
    folder: Path | None = None,
    own: Mapping[str, Callable[[Alphabet], Decoder]] = types.MappingProxyType({}),
) -> ChosenDecoder:
    """The decoder that a caller asks for. Several devices each take a share of a beam search's rows.

    Args:
      choice: a name in `DECODERS` or `own` ("beam" is `with_english`); "tuned" for decoder.json in the model's folder;
        a file of settings; settings, or what makes them of the alphabet; or an object that has `Decoder.decode`, which
        is taken as it is.
      alphabet: of the model's classes.
      folder: of the model, None where it comes with the package.
      own: builders of decoders of one's own, by name.

    Raises:
      InputError: no such decoder, or a file is missing or damaged.
    """
    if isinstance(choice, Decoder):
        return ChosenDecoder(choice, type(choice).__name__, {"decoder": type(choice).__name__})
    if isinstance(choice, str) and choice in own:
        return ChosenDecoder(own[choice](alphabet), choice, {"decoder": choice})
    if isinstance(choice, DecoderSettings):
        settings = choice
    elif callable(choice):
        settings = choice(alphabet)
    else:
        settings = find_settings(choice, folder, (*DECODERS, *own))
        settings = with_english(settings, alphabet) if choice == BEAM else settings
    parts = load_text_parts(settings, alphabet)
    devices = jax.local_devices()
    decoder = build_decoder(settings, alphabet, parts, devices if len(devices) > 1 else ())
    return ChosenDecoder(decoder, settings.label, describe_settings(settings, parts))


def find_settings(
    choice: str | os.PathLike[str], folder: Path | None = None, names: Sequence[str] = tuple(DECODERS)
) -> DecoderSettings:
    """The settings behind a name ("greedy", "beam"), "tuned" or the path of a file; see `choose_decoder`.

    Raises InputError: no such decoder or file.
    """
    if choice in DECODERS:
        return DecoderSettings(os.fspath(choice))
    if choice == TUNED:
        if folder is None:
            raise InputError(f"decoder 'tuned': this model comes without {FILE_NAME}; give a settings FILE.json")
        if not (folder / FILE_NAME).exists():
            raise InputError(f"decoder 'tuned': no {folder / FILE_NAME}; run hwr tune-decoder first")
        return load_settings(folder / FILE_NAME)
    if isinstance(choice, str) and not choice.endswith(".json"):
        raise InputError(f"decoder {choice!r}: no such decoder; take {', '.join(names)}, tuned or a FILE.json")
    return load_settings(Path(choice))


def _check_file(file: TextFile, name: str) -> tuple[Path, dict[str, Any]]:
    path, what = _ENGLISH_FILES[name] if file.path == ENGLISH else Path(file.path), name.replace("_", " ")
    try:
        with path.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {what} cannot be read ({error.strerror or error})") from error
    if file.sha256 not in ("", sha256):
        raise InputError(
            f"{path}: not the {what} that the decoder was tuned with (its sha256 is {sha256[:12]}, not "
            f"{file.sha256[:12]}); bring that back, or tune again"
        )
    return path, {"path": file.path, "sha256": sha256}
