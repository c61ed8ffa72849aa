"""The project's programs with shapes in place of arrays: nothing is read, and nothing runs."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from hwr_jax.config import ExperimentConfig
from hwr_jax.decoding.beam import beam_search
from hwr_jax.decoding.decoder import greedy_decode
from hwr_jax.decoding.language_model import NGramTables
from hwr_jax.decoding.lexicon_tables import LexiconTables
from hwr_jax.decoding.text_model import TextModel
from hwr_jax.errors import InputError
from hwr_jax.models.recognizer import Recognizer
from hwr_jax.models.trained import PRETRAINED, load_exported, make_log_probs
from hwr_jax.strict import to_plain
from hwr_jax.text.alphabet import FROM_TRAINING, Alphabet, resolve_alphabet
from hwr_jax.training import vectorized
from hwr_jax.training.devices import choose_kind, make_placement
from hwr_jax.training.optimizer import build_optimizer
from hwr_jax.training.parts import build_parts
from hwr_jax.training.state import init_state
from hwr_jax.training.step import make_step_of

# Which numbers of steps and label lengths programs are made for changes nothing of note.
_STEPS, _LABEL_LENGTH = 10_000, 20
# A language model and a lexicon of English as docs/decoding.md makes them.
_CONTEXTS, _NODES, _BEAM_WIDTH, _CANDIDATES = 93_000, 200_000, 32, 12
# Whose characters stand for those of a training split that is not read.
_SHIPPED = "copiste_lines_large"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large the program is."""

    batch: int  # images, over all devices
    width_px: int  # of each image
    runs: int = 8  # of a vectorized sweep


def lower(name: str, config: ExperimentConfig, sizes: Sizes, devices: Sequence[Any], parallel: str = "jit") -> Any:
    """The lowered program of `PROGRAMS`, to be compiled for those devices.

    Raises InputError: the batch cannot be divided over the devices, or only one of several would be used.
    """
    if name == "step":
        return _lower_step(config, sizes, devices, parallel)
    if parallel not in ("auto", "jit") or len(devices) > 1:
        raise InputError(f"--program={name}: runs on one chip; give a topology of one, such as v5e:1x1")
    program, arguments = PROGRAMS[name](config, _alphabet(config), sizes)
    return program.lower(*_on(SingleDeviceSharding(devices[0]), arguments))


def _lower_step(config: ExperimentConfig, sizes: Sizes, devices: Sequence[Any], parallel: str) -> Any:
    kind = parallel if parallel != "auto" else "jit" if len(devices) == 1 else "pmap"
    if kind == "jit" and len(devices) > 1:
        raise InputError(f"--parallel=jit: runs on one chip, and the topology has {len(devices)}; take pmap or mesh")
    alphabet, parts = _alphabet(config), build_parts(config)
    model = Recognizer(config.model, alphabet.num_classes)
    optimizer = build_optimizer(config.optimizer, _STEPS, model.parameter)
    make_named_step = functools.partial(make_step_of, config, model, optimizer, parts)
    placement = make_placement(choose_kind(kind), make_named_step, sizes.batch, devices)
    state = jax.eval_shape(lambda: init_state(model, optimizer, 0, parts.losses))
    if kind == "pmap":
        count = len(devices)
        shared = _batches(config, dataclasses.replace(sizes, batch=sizes.batch // count))
        copies = jax.tree.map(lambda leaf: _shape((count, *leaf.shape), leaf.dtype), (state, {}, shared))
        return placement.steps.lower(*copies)  # type: ignore[attr-defined]
    arguments: Any = (state, {}, _batches(config, sizes))
    if kind == "jit":
        arguments = _on(SingleDeviceSharding(devices[0]), arguments)
    return placement.steps.lower(*arguments)  # type: ignore[attr-defined]


def _vectorized(config: ExperimentConfig, alphabet: Alphabet, sizes: Sizes) -> tuple[Any, Any]:
    """Runs that differ in their learning rate."""
    rates = [config.optimizer.learning_rate * (1 + index / 10) for index in range(sizes.runs)]
    configs = [
        dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, learning_rate=rate))
        for rate in rates
    ]
    numbers = vectorized.varying_numbers(configs)
    placement = vectorized.make_placement(configs, numbers, _STEPS, alphabet, batches_differ=False)
    model = Recognizer(config.model, alphabet.num_classes)
    optimizer = build_optimizer(config.optimizer, _STEPS, model.parameter)
    one = jax.eval_shape(lambda: init_state(model, optimizer, 0, build_parts(config).losses))
    state = jax.tree.map(lambda leaf: _shape((sizes.runs, *leaf.shape), leaf.dtype), one).replace(step=one.step)
    return jax.jit(placement.steps, donate_argnums=0), (state, {}, _batches(config, sizes))


def _evaluate(config: ExperimentConfig, alphabet: Alphabet, sizes: Sizes) -> tuple[Any, Any]:
    model, size = Recognizer(config.model, alphabet.num_classes), config.model
    image = _shape((1, size.width_px, size.height_px, 1), np.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), image)
    program = make_log_probs(to_plain(config), alphabet, config.data.preprocessing)
    images = _shape((sizes.batch, size.height_px, sizes.width_px), np.uint8)
    return program, (variables, images, _shape((sizes.batch,), np.int32))


def _greedy(config: ExperimentConfig, alphabet: Alphabet, sizes: Sizes) -> tuple[Any, Any]:
    program = jax.jit(lambda log_probs, frames_B: greedy_decode(log_probs, alphabet.blank_id, frames_B))
    return program, (_log_probs(config, alphabet, sizes), _shape((sizes.batch,), np.int32))


def _beam(config: ExperimentConfig, alphabet: Alphabet, sizes: Sizes) -> tuple[Any, Any]:
    """With a language model and a lexicon."""
    classes = alphabet.num_classes
    tree = jax.tree.structure(_text_model(classes, 1, 1))
    leaves = jax.eval_shape(lambda: jax.tree.leaves(_text_model(classes, _CONTEXTS, _NODES)))

    def search(log_probs: Any, leaves: Any, frames_B: Any) -> Any:
        text_model = jax.tree.unflatten(tree, leaves)
        return beam_search(log_probs, text_model, frames_B, width=_BEAM_WIDTH, candidates=_CANDIDATES)

    return jax.jit(search), (_log_probs(config, alphabet, sizes), leaves, _shape((sizes.batch,), np.int32))


def _text_model(classes: int, contexts: int, nodes: int) -> TextModel:
    zeros = jnp.zeros
    ngrams = NGramTables(
        zeros((contexts, classes)), zeros((contexts, classes), jnp.int32), zeros(contexts), zeros((), jnp.int32)
    )
    lexicon = LexiconTables(
        zeros((nodes, -(-classes // 32)), jnp.uint32),
        zeros(nodes, jnp.int32),
        *(zeros(nodes), zeros(nodes), zeros(nodes, bool), zeros(nodes, bool)),
        zeros(classes, jnp.int32),
        zeros(classes, bool),
        zeros(classes),
    )
    return TextModel(ngrams, lexicon, *[zeros(())] * 4)


# What runs on one device; the step on any number.
PROGRAMS: dict[str, Any] = {"evaluate": _evaluate, "greedy": _greedy, "beam": _beam, "vectorized": _vectorized}


def _alphabet(config: ExperimentConfig) -> Alphabet:
    if config.model.alphabet == FROM_TRAINING:
        return load_exported(PRETRAINED / _SHIPPED).alphabet
    return resolve_alphabet(config.model.alphabet)


def _batches(config: ExperimentConfig, sizes: Sizes) -> dict[str, Any]:
    """One batch, stacked, see `hwr_jax.data.pipeline.make_batch_of_step`."""
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "images": ((config.model.height_px, sizes.width_px), np.uint8),
        "labels": ((_LABEL_LENGTH,), np.int32),
        "weights": ((), np.float32),
        **dict.fromkeys(("widths", "lengths", "positions"), ((), np.int32)),
    }
    return {name: _shape((1, sizes.batch, *shape), dtype) for name, (shape, dtype) in shapes.items()}


def _log_probs(config: ExperimentConfig, alphabet: Alphabet, sizes: Sizes) -> Any:
    return _shape((sizes.batch, sizes.width_px // config.model.stride_px, alphabet.num_classes), np.float32)


def _shape(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


def _on(sharding: Any, tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)
