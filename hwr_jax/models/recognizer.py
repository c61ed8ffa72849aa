"""The recognizer: an encoder, then the classes of every frame. The defaults are the Keras example's model."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from hwr_jax.config import ModelConfig
from hwr_jax.models.encoders import CLASSIFIER, KERNELS, Encoder, Parameter, make_parameter_of
from hwr_jax.models.layers import DTYPES, OUTPUTS, Dense, Keys, KeysB, PooledConv
from hwr_jax.nested import flatten

# The layer that tells classes apart, by its name in the Keras example.
CLASSES = "dense2"


def count_frames(
    widths_B: Int[Array, "B"] | None, images_BxWxHx1: Float[Array, "B W H 1"], stride_px: int
) -> Int[Array, "B"]:
    """Frames of each image, int32: one for every `stride_px` columns of its width, and one for a rest; None: of all."""
    if widths_B is None:
        return jnp.full(images_BxWxHx1.shape[0], images_BxWxHx1.shape[1] // stride_px, dtype=jnp.int32)
    return -(-widths_B // stride_px)


class Recognizer(nn.Module):
    """Images to CTC logits."""

    config: ModelConfig  # the sizes of the image, and the encoder's layers
    num_classes: int  # classes, the CTC blank last
    # one of your own in place of the one that the config names, see `hwr_jax.models.encoders`
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
        self,
        images_BxWxHx1: Float[Array, "B W H 1"],
        widths_B: Int[Array, "B"] | None = None,
        keys_B: Keys = None,
    ) -> tuple[Float[Array, "B T K"], Int[Array, "B"]]:
        """Logits, float32, and how many frames of each row count, the first ones. What the others hold means nothing.

        Takes what `Encoder` takes.
        """
        features = self.features(images_BxWxHx1, widths_B, keys_B)
        logits = Dense(self.num_classes, dtype=DTYPES[self.config.compute_dtype], name=CLASSES)(features)
        return logits.astype(jnp.float32), count_frames(widths_B, images_BxWxHx1, self.stride_px)

    def apply_in_training(
        self, variables: Any, images_BxWxHx1: Float[Array, "B W H 1"], widths_B: Array | None, keys_B: KeysB
    ) -> tuple[dict[str, Array], Any]:
        """What losses are made of: "logits", "frames", and what the encoder sows in the collection "outputs", by name.

        Beside them it returns the encoder's collections (such as "batch_stats") as they are after this batch.
        """
        mutable = [OUTPUTS, *(name for name in variables if name != "params")]
        (logits, frames_B), collections = self.apply(variables, images_BxWxHx1, widths_B, keys_B, mutable=mutable)
        collections = dict(collections)
        sown = flatten(collections.pop(OUTPUTS, {}), "/")
        outputs = {name.rpartition("/")[2]: values[-1] for name, values in sown.items()}
        return {"logits": logits, "frames": frames_B, **outputs}, collections

    def on_axis(self, axis_name: str | None) -> "Recognizer":
        """The same, its encoder told of the mapped axis over devices if it has a field `axis_name`, for statistics."""
        if self.encoder is None or not hasattr(self.encoder, "axis_name"):
            return self
        return self.clone(encoder=self.encoder.clone(axis_name=axis_name))


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


def shapes_of(model: Recognizer) -> dict[str, tuple[int, ...]]:
    """Name ("dense1/kernel") -> shape of all parameters; nothing is computed."""
    image = jax.ShapeDtypeStruct((1, model.config.width_px, model.config.height_px, 1), jnp.float32)
    parameters = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), image)["params"]
    return {name: leaf.shape for name, leaf in flatten(parameters, "/").items()}


def layer_table(config: ModelConfig, num_classes: int, encoder: nn.Module | None = None) -> list[LayerRow]:
    """Every layer with its output shape (without the batch axis) and parameter count; nothing is computed."""
    outputs: list[tuple[str, str, tuple[int, ...]]] = []

    def observe(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        y, layer = call(*args, **kwargs), context.module
        if context.method_name != "__call__" or len(layer.path) != 1 or not hasattr(y, "shape"):
            return y
        name = layer.path[0]
        if isinstance(layer, PooledConv):
            outputs.append((name, "Conv", (*args[0].shape[1:3], layer.features)))
            outputs.append((layer.pool, "MaxPool", y.shape[1:]))
        else:
            outputs.append((name, type(layer).__name__, y.shape[1:]))
        return y

    model = Recognizer(config, num_classes, encoder)
    image = jax.ShapeDtypeStruct((1, config.width_px, config.height_px, 1), jnp.float32)
    with nn.intercept_methods(observe):
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), image)
    parameters = variables["params"]
    return [LayerRow(name, kind, shape, count_parameters(parameters.get(name, {}))) for name, kind, shape in outputs]
