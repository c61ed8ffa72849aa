"""The recognizer: an encoder, then the classes of every frame. The defaults are the Keras example's model."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hwr_jax.config import ModelConfig
from hwr_jax.ink.width import used_columns
from hwr_jax.models.dropout import KeysB
from hwr_jax.models.encoders import Encoder
from hwr_jax.models.layers import DTYPES, Dense, PooledConv
from hwr_jax.models.padding import IMPOSSIBLE, blank_outside
from hwr_jax.models.parameters import CLASSIFIER, KERNELS, Parameter, make_parameter_of
from hwr_jax.models.residual import SHORTCUT

# The layer that tells classes apart, by its name in the Keras example; and all layers with a feature for each class.
CLASSES = "dense2"
CLASS_LAYERS = (CLASSES, SHORTCUT)


class Recognizer(nn.Module):
    """Images to CTC logits.

    Attributes:
      config: the sizes of the image, and the encoder's layers.
      num_classes: classes, the CTC blank last.
      encoder: one of your own in place of the one that the config names, see `hwr_jax.models.encoders`.
    """

    config: ModelConfig
    num_classes: int
    encoder: nn.Module | None = None

    def setup(self) -> None:
        self.features = self.encoder or Encoder(self.config, self.num_classes)
        # Its parameters lie beside the classifier's, as the layers of the Keras example do.
        nn.share_scope(self, self.features)

    @property
    def stride_px(self) -> int:
        """Columns of the image a frame."""
        return self._encoder.stride_px

    @property
    def _encoder(self) -> Any:
        return self.encoder or Encoder(self.config, self.num_classes, parent=None)

    def parameter(self, name: str) -> Parameter:
        """What the parameter of that name ("dense1/kernel") is to the optimizer; an encoder may say it."""
        classifier = {f"{CLASSES}/{pattern}": kind for pattern, kind in CLASSIFIER.items()}
        return make_parameter_of(classifier | dict(getattr(self._encoder, "parameters", KERNELS)))(name)

    @nn.compact
    def __call__(
        self, images_BxWxHx1: Float[Array, "B W H 1"], keys_B: KeysB | None = None, follow_width: bool = False
    ) -> Float[Array, "B T K"]:
        """Logits, float32.

        Args:
          images_BxWxHx1: as made by `hwr_jax.ink.preprocessing.images_to_input`: the width comes first.
          keys_B: one dropout key a sample for training; None for inference.
          follow_width: whether the columns to the right of an image, see `hwr_jax.ink.width.used_columns`, are padding:
            no layer sees them, and their frames are certainly blank, so that losses and decoders need not know of them.
        """
        widths_B = used_columns(images_BxWxHx1, self.stride_px) if follow_width else None
        features = self.features(images_BxWxHx1, widths_B, keys_B)
        logits = Dense(self.num_classes, dtype=DTYPES[self.config.compute_dtype], name=CLASSES)(features)
        inside_BxT = None
        if widths_B is not None:
            inside_BxT = jnp.arange(logits.shape[1])[None] * self.stride_px < widths_B[:, None]
        return blank_outside(logits.astype(jnp.float32), inside_BxT)

    def read_twice(
        self, parameters: Any, images_BxWxHx1: Float[Array, "B W H 1"], keys_B: KeysB, follow_width: bool
    ) -> tuple[Float[Array, "B T K"], Float[Array, "B T K"]]:
        """Logits for training, and those of `ModelConfig.shortcut`."""
        logits, kept = self.apply(
            {"params": parameters}, images_BxWxHx1, keys_B, follow_width=follow_width, mutable=[SHORTCUT]
        )
        return logits, kept[SHORTCUT][SHORTCUT]["logits"][0]


def frames_of_images(log_probs_BxTxK: np.ndarray) -> int | list[int]:
    """Images that show an image: T if that is so for all images, else of each those that `Recognizer` did not pad."""
    open_B = (log_probs_BxTxK[:, :, :-1].max(axis=2) > IMPOSSIBLE / 2).sum(axis=1)
    frames = log_probs_BxTxK.shape[1]
    return frames if (open_B == frames).all() else open_B.tolist()


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """A line of the layer table: sizes are those of one sample, parameters those of the layer."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int


def count_parameters(tree: Any) -> int:
    """Number of scalars in a tree of arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def layer_table(config: ModelConfig, num_classes: int) -> list[LayerRow]:
    """Every layer with its output shape (without the batch axis) and parameter count; nothing is computed."""
    outputs: list[tuple[str, str, tuple[int, ...]]] = []

    def observe(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        y, layer = call(*args, **kwargs), context.module
        if context.method_name != "__call__" or len(layer.path) != 1:
            return y
        name = layer.path[0]
        if isinstance(layer, PooledConv):
            outputs.append((name, "Conv", (*args[0].shape[1:3], layer.features)))
            outputs.append((layer.pool, "MaxPool", y.shape[1:]))
        else:
            outputs.append((name, type(layer).__name__, y.shape[1:]))
        return y

    model = Recognizer(config, num_classes)
    image = jax.ShapeDtypeStruct((1, config.width_px, config.height_px, 1), jnp.float32)
    with nn.intercept_methods(observe):
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), image)
    parameters = variables["params"]
    return [LayerRow(name, kind, shape, count_parameters(parameters.get(name, {}))) for name, kind, shape in outputs]
