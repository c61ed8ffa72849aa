"""Handwriting recognition in one file: data, model, CTC, a step on all devices, checkpoints, evaluation.

The model is that of the Keras example "handwriting_recognizer". Nothing here imports hwr_jax, which has the same parts
and all that real work needs besides; read this file first.

    python examples/tiny.py iam/ runs/tiny               # iam/words.txt and iam/words/, as IAM has them
    python examples/tiny.py iam/ runs/tiny --epochs=20   # goes on from the last checkpoint

Shapes are part of names, as in the package: images_BxWxHx1 has axes for batch, width, height, and one grey value.
"""

import argparse
import functools
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
from PIL import Image, ImageOps

WIDTH, HEIGHT = 128, 32  # of images in pixels
FRAMES = WIDTH // 4  # of the model's output: two poolings halve the width twice
BATCH = 64

# ---- Data: words with their images, split by the page that they stand on ----


class Words(NamedTuple):
    """Samples as arrays."""

    images_NxWxHx1: np.ndarray  # float32, 0 black to 1 white; the width comes first, as time does in a sequence
    labels_NxL: np.ndarray  # int32: number i is the i-th character; -1 after a text's end
    texts: list[str]


def load(folder: Path) -> tuple[Words, Words, str]:
    """Training words, test words, and the characters of the training words."""
    parts: dict[str, list[tuple[Path, str]]] = {"train": [], "test": []}
    for line in (folder / "words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or line.split()[1] == "err":
            continue
        name, text = line.split()[0], line.split()[-1]
        first, form = name.split("-")[0], "-".join(name.split("-")[:2])
        path = folder / "words" / first / form / f"{name}.png"
        if path.is_file() and path.stat().st_size and fits(text):
            parts[split_of(form)].append((path, text))
    characters = "".join(sorted({character for _, text in parts["train"] for character in text}))
    known = [[(path, text) for path, text in part if set(text) <= set(characters)] for part in parts.values()]
    train, test = (Words(*to_arrays(part, characters), [text for _, text in part]) for part in known)
    return train, test, characters


def split_of(form: str) -> str:
    """ "train" or "test" by a page's name alone: no page is in both, on any machine, whatever else there is."""
    return "test" if hashlib.sha256(form.encode()).digest()[0] < 26 else "train"  # a tenth of 256


def fits(text: str) -> bool:
    """CTC needs a frame for each character, and one between two that are the same."""
    return len(text) + sum(a == b for a, b in itertools.pairwise(text)) <= FRAMES


def to_arrays(part: list[tuple[Path, str]], characters: str) -> tuple[np.ndarray, np.ndarray]:
    """Images, each as large as fits and in the middle of white, and labels."""
    images_NxWxHx1 = np.ones((len(part), WIDTH, HEIGHT, 1), np.float32)
    labels_NxL = np.full((len(part), FRAMES), -1, np.int32)
    for row, (path, text) in enumerate(part):
        with Image.open(path) as image:
            fitted = ImageOps.pad(image.convert("L"), (WIDTH, HEIGHT), Image.Resampling.BILINEAR, color=255)
        images_NxWxHx1[row, ..., 0] = np.asarray(fitted, np.float32).T / 255
        labels_NxL[row, : len(text)] = [characters.index(character) for character in text]
    return images_NxWxHx1, labels_NxL


def batches(words: Words, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images and labels of an epoch, in an order that the epoch's number decides. A rest is left out."""
    order = np.random.default_rng(epoch).permutation(len(words.texts))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        rows = order[start : start + BATCH]
        yield words.images_NxWxHx1[rows], words.labels_NxL[rows]


# ---- The model: convolutions see pixels, LSTMs the frames around, and each frame says which character it shows ----


class Recognizer(nn.Module):
    """Images to logits of each frame: one for each character, and the last for CTC's blank."""

    classes: int
    dropout: float = 0.2
    lstm_dropout: float = 0.25

    @nn.compact
    def __call__(self, images_BxWxHx1: jax.Array, train: bool = False) -> jax.Array:
        x = images_BxWxHx1
        for features, name in ((32, "Conv1"), (64, "Conv2")):
            x = nn.relu(nn.Conv(features, (3, 3), kernel_init=nn.initializers.he_normal(), name=name)(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = x.reshape(*x.shape[:2], -1)  # the pixels of a column are the features of a frame
        x = nn.relu(nn.Dense(64, name="dense1")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        for units, name in ((128, "bidirectional"), (64, "bidirectional_1")):
            x = nn.Dropout(self.lstm_dropout, broadcast_dims=(1,), deterministic=not train)(x)
            x = BidirectionalLstm(units, name=name)(x)
        return nn.Dense(self.classes, name="dense2")(x)


class BidirectionalLstm(nn.Module):
    """An LSTM from the left and one from the right (Schuster and Paliwal 1997), with Keras's parameters."""

    units: int

    @nn.compact
    def __call__(self, x_BxTxF: jax.Array) -> jax.Array:
        outputs = []
        for direction, order in (("forward", slice(None)), ("backward", slice(None, None, -1))):
            glorot, orthogonal = nn.initializers.glorot_uniform(), nn.initializers.orthogonal()
            kernel = self.param(f"{direction}_kernel", glorot, (x_BxTxF.shape[-1], 4 * self.units))
            recurrent = self.param(f"{direction}_recurrent_kernel", orthogonal, (self.units, 4 * self.units))
            bias = self.param(f"{direction}_bias", forget_nothing_at_first, (4 * self.units,))
            outputs.append(lstm(x_BxTxF[:, order] @ kernel + bias[None, None], recurrent)[:, order])
        return jnp.concatenate(outputs, axis=-1)


def forget_nothing_at_first(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """A bias that keeps the forget gates open (Jozefowicz et al. 2015)."""
    return jnp.zeros(shape).at[shape[0] // 4 : shape[0] // 2].set(1)


def lstm(z_BxTx4U: jax.Array, recurrent_Ux4U: jax.Array) -> jax.Array:
    """Outputs of every frame, [B, T, U], from the gates' inputs (Hochreiter and Schmidhuber 1997, Gers et al. 2000)."""

    def step(state: tuple[jax.Array, jax.Array], z_Bx4U: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        hidden_BxU, cell_BxU = state
        take, keep, new, show = jnp.split(z_Bx4U + hidden_BxU @ recurrent_Ux4U, 4, axis=-1)
        cell_BxU = jax.nn.sigmoid(keep) * cell_BxU + jax.nn.sigmoid(take) * jnp.tanh(new)
        hidden_BxU = jax.nn.sigmoid(show) * jnp.tanh(cell_BxU)
        return (hidden_BxU, cell_BxU), hidden_BxU

    zeros_BxU = jnp.zeros((len(z_BxTx4U), len(recurrent_Ux4U)))
    _, hidden_TxBxU = jax.lax.scan(step, (zeros_BxU, zeros_BxU), z_BxTx4U.swapaxes(0, 1))
    return hidden_TxBxU.swapaxes(0, 1)


# ---- Training: one step, jitted on one device or pmapped over several ----


class State(NamedTuple):
    """All that training changes."""

    step: jax.Array
    parameters: Any
    optimizer: Any


def loss_of(
    model: Recognizer, parameters: Any, images: jax.Array, labels: jax.Array, key: jax.Array | None = None
) -> jax.Array:
    """The mean over the batch of -log p(text | image), summed over all alignments (CTC, Graves et al. 2006)."""
    rngs = {} if key is None else {"dropout": key}
    logits_BxTxK = model.apply({"params": parameters}, images, train=key is not None, rngs=rngs)
    after_text_BxL = (labels < 0).astype(jnp.float32)
    no_paddings_BxT = jnp.zeros(logits_BxTxK.shape[:2])
    losses_B = optax.ctc_loss(
        logits_BxTxK, no_paddings_BxT, jnp.maximum(labels, 0), after_text_BxL, blank_id=model.classes - 1
    )
    return losses_B.mean()


def make_step(model: Recognizer, optimizer: optax.GradientTransformation, devices: int, seed: int = 0) -> Any:
    """`step(state, images, labels) -> (state, loss)`, compiled once.

    With several devices the state is the same on each, and images and labels have an axis for devices in front.
    """

    def step(state: State, images: jax.Array, labels: jax.Array) -> tuple[State, jax.Array]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        if devices > 1:
            key = jax.random.fold_in(key, jax.lax.axis_index("devices"))
        loss, gradient = jax.value_and_grad(functools.partial(loss_of, model))(state.parameters, images, labels, key)
        if devices > 1:  # Each device sees its part of the batch: their means are those of the whole.
            loss, gradient = jax.lax.pmean((loss, gradient), "devices")
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.parameters)
        return State(state.step + 1, optax.apply_updates(state.parameters, updates), optimizer_state), loss

    return jax.pmap(step, axis_name="devices") if devices > 1 else jax.jit(step)


def shard(array: np.ndarray, devices: int) -> np.ndarray:
    """A batch in equal parts, one for each device."""
    return array.reshape(devices, -1, *array.shape[1:]) if devices > 1 else array


# ---- Evaluation ----


def decode(logits_TxK: np.ndarray, characters: str) -> str:
    """The likeliest class of each frame; then one of each run, and no blanks."""
    best_T = logits_TxK.argmax(axis=-1)
    starts = np.flatnonzero(np.diff(best_T, prepend=-1))
    return "".join(characters[number] for number in best_T[starts] if number < len(characters))


def edit_distance(a: str, b: str) -> int:
    """The fewest characters to insert, delete or replace (Levenshtein 1966)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def error_rate(model: Recognizer, parameters: Any, words: Words, characters: str) -> float:
    """CER: edits over all words, divided by their characters."""
    read = jax.jit(lambda images: model.apply({"params": parameters}, images))
    edits = 0
    for start in range(0, len(words.texts), BATCH):
        logits_BxTxK = np.asarray(read(words.images_NxWxHx1[start : start + BATCH]))
        pairs = zip(logits_BxTxK, words.texts[start : start + BATCH], strict=True)
        edits += sum(edit_distance(decode(logits, characters), text) for logits, text in pairs)
    return edits / max(1, sum(map(len, words.texts)))


def main() -> None:
    """Trains, keeps a checkpoint of each epoch, and goes on from the last one."""
    parser = argparse.ArgumentParser(description="Trains a handwriting recogniser on IAM words.")
    parser.add_argument("data", type=Path, help="folder with words.txt and words/")
    parser.add_argument("workdir", type=Path, help="folder for checkpoints")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    options = parser.parse_args()

    train, test, characters = load(options.data)
    if len(train.texts) < BATCH:
        raise SystemExit(f"{options.data}: {len(train.texts)} training words are fewer than a batch of {BATCH}")
    print(f"{len(train.texts)} training and {len(test.texts)} test words, {len(characters)} characters")
    model, optimizer = Recognizer(len(characters) + 1), optax.adam(options.learning_rate)
    parameters = model.init(jax.random.key(0), train.images_NxWxHx1[:1])["params"]
    state = State(jnp.zeros((), jnp.int32), parameters, optimizer.init(parameters))
    devices = jax.local_device_count() if BATCH % jax.local_device_count() == 0 else 1
    step = make_step(model, optimizer, devices)
    with ocp.CheckpointManager(options.workdir.absolute(), options=ocp.CheckpointManagerOptions(max_to_keep=2)) as kept:
        done = kept.latest_step() or 0
        if done:
            state = kept.restore(done, args=ocp.args.StandardRestore(state))
        for epoch in range(done, options.epochs):
            on_devices = jax.tree.map(lambda array: jnp.stack([array] * devices), state) if devices > 1 else state
            losses = []
            for images, labels in batches(train, epoch):
                on_devices, loss = step(on_devices, shard(images, devices), shard(labels, devices))
                losses.append(loss)
            state = jax.tree.map(lambda array: array[0], on_devices) if devices > 1 else on_devices
            kept.save(epoch + 1, args=ocp.args.StandardSave(state))
            cer = error_rate(model, state.parameters, test, characters)
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, test CER {100 * cer:.2f} %", flush=True)


if __name__ == "__main__":
    main()
