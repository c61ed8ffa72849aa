"""The peers' models compute what ours does: same weights, same images, same log probabilities and loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks.peers import LARGE, MODELS
from experiments.benchmarks.plain_flax import build_plain, mean_ctc_loss
from experiments.benchmarks.words import LONGEST, PADDED_LENGTH, SHORTEST, make_words
from hwr_jax.config import ModelConfig
from hwr_jax.models.recognizer import Recognizer, count_parameters
from hwr_jax.training.losses import ctc_losses

CONFIG = ModelConfig(height_px=16, width_px=96, conv_features=(3, 5), dense_features=6, lstm_features=(4, 3))


@pytest.fixture(scope="module")
def words():
    return make_words(6, CONFIG)


@pytest.fixture(scope="module")
def tree(words):
    """Parameters of ours, biases not zero."""
    model, image = Recognizer(CONFIG, words.num_classes), jnp.asarray(words.images_BxWxHx1[:1])
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), image))["params"]
    leaves, structure = jax.tree.flatten(shapes)
    rng = np.random.default_rng(1)
    drawn = [rng.normal(scale=0.3, size=leaf.shape).astype(np.float32) for leaf in leaves]
    return jax.tree.unflatten(structure, drawn)


@pytest.fixture(scope="module")
def log_probs(words, tree):
    apply = jax.jit(Recognizer(CONFIG, words.num_classes).apply)
    return jax.nn.log_softmax(apply({"params": tree}, words.images_BxWxHx1)[0])


@pytest.fixture(scope="module")
def loss(words, log_probs):
    """Ours, the mean over the words."""
    frames_B = jnp.full(len(log_probs), log_probs.shape[1])
    return jax.jit(ctc_losses)(log_probs, words.labels_BxL, words.lengths_B, frames_B).mean()


def lstms(tree):
    """Of both layers and directions: kernel, recurrent kernel and bias."""
    for layer in ("bidirectional", "bidirectional_1"):
        for direction in ("forward", "backward"):
            yield tuple(tree[layer][f"{direction}_{part}"] for part in ("kernel", "recurrent_kernel", "bias"))


def test_the_plain_loss_is_the_same(words, log_probs, loss):
    theirs = jax.jit(mean_ctc_loss)(log_probs, words.labels_BxL, words.lengths_B)
    np.testing.assert_allclose(theirs, loss, rtol=1e-5)


def test_torch_is_the_same_model(words, tree, log_probs, loss):
    torch = pytest.importorskip("torch")
    from experiments.benchmarks import torch_peer

    model = torch_peer.TorchRecognizer(CONFIG, words.num_classes).eval()
    state = {"dense": tree["dense1"], "classes": tree["dense2"]}
    weights = {f"{name}.weight": layer["kernel"].T for name, layer in state.items()}
    weights |= {f"{name}.bias": layer["bias"] for name, layer in state.items()}
    for i in range(2):
        weights[f"convolutions.{i}.weight"] = tree[f"Conv{i + 1}"]["kernel"].transpose(3, 2, 0, 1)
        weights[f"convolutions.{i}.bias"] = tree[f"Conv{i + 1}"]["bias"]
    for index, (kernel, recurrent, bias) in enumerate(lstms(tree)):
        suffix = "l0_reverse" if index % 2 else "l0"
        # Ours, like PyTorch, has the gates in the order input, forget, cell, output.
        weights[f"lstms.{index // 2}.weight_ih_{suffix}"] = kernel.T
        weights[f"lstms.{index // 2}.weight_hh_{suffix}"] = recurrent.T
        weights[f"lstms.{index // 2}.bias_ih_{suffix}"] = bias
        weights[f"lstms.{index // 2}.bias_hh_{suffix}"] = np.zeros_like(bias)
    model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    with torch.inference_mode():
        theirs = model(torch.from_numpy(words.images_BxWxHx1).permute(0, 3, 1, 2))
        labels, lengths = torch.from_numpy(words.labels_BxL), torch.from_numpy(words.lengths_B)
        theirs_loss = torch_peer.mean_ctc_loss(theirs, labels, lengths)
    np.testing.assert_allclose(theirs.numpy(), log_probs, atol=1e-5)
    np.testing.assert_allclose(float(theirs_loss), loss, rtol=1e-5)


def test_the_large_model_has_as_many_parameters_everywhere(words):
    config = MODELS[LARGE]
    image = jnp.zeros((1, config.width_px, config.height_px, 1))
    models = Recognizer(config, 81), build_plain(config, 81, "OptimizedLSTMCell")
    ours, flax = (jax.eval_shape(model.init, jax.random.key(0), image)["params"] for model in models)
    assert count_parameters(ours) == count_parameters(flax)
    torch = pytest.importorskip("torch")
    from experiments.benchmarks.torch_peer import TorchRecognizer

    model = TorchRecognizer(config, 81)
    second_biases = sum(value.numel() for name, value in model.named_parameters() if "bias_hh" in name)
    assert sum(value.numel() for value in model.parameters()) - second_biases == count_parameters(ours)
    with torch.inference_mode():
        assert model(torch.zeros(2, 1, config.width_px, config.height_px)).shape == (2, config.frames, 81)


def test_the_words_are_the_same_in_every_run(words):
    again = make_words(6, CONFIG)
    np.testing.assert_array_equal(words.images_BxHxW, again.images_BxHxW)
    np.testing.assert_array_equal(words.labels_BxL, again.labels_BxL)
    assert words.labels_BxL.shape == (6, PADDED_LENGTH)
    assert ((words.labels_BxL > 0).sum(axis=1) == words.lengths_B).all()
    assert words.lengths_B.min() >= SHORTEST
    assert words.lengths_B.max() <= LONGEST
    assert words.images_BxWxHx1.max() > 0.5  # there is ink
