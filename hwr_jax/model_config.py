"""The part of `hwr_jax.config` that a trained model keeps: its layers and their sizes. Nothing here imports jax."""

import dataclasses

from hwr_jax.errors import InputError
from hwr_jax.messages import count_of
from hwr_jax.strict import check_choice, check_positive

ENCODERS = ("keras", "residual", "conformer", "convolutional")
COLUMNS = ("stack", "max")
NORMALIZATIONS = ("none", "channels")
COMPUTE_DTYPES = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class ConformerConfig:
    """Sizes of `model.encoder` "conformer", see `hwr_jax.models.blocks`; the convolutions are `model.conv_features`."""

    features: int = 64  # of a frame
    blocks: int = 4  # of attention and convolution
    heads: int = 4  # of the attention; features / heads is an even number
    kernel_frames: int = 15  # frames that a block's convolution looks at, an odd number

    def __post_init__(self) -> None:
        _check_sizes("conformer", self)
        if self.features % (2 * self.heads):
            raise InputError(f"model.conformer.features: {self.features} is not a multiple of 2 x {self.heads} heads")


@dataclasses.dataclass(frozen=True)
class ConvolutionalConfig:
    """Sizes of `model.encoder` "convolutional", see `hwr_jax.models.blocks`; likewise."""

    features: int = 96  # of a frame
    blocks: int = 5  # of a convolution over frames and a feed-forward layer
    kernel_frames: int = 9  # frames that a block's convolution looks at, an odd number

    def __post_init__(self) -> None:
        _check_sizes("convolutional", self)


def _check_sizes(group: str, config: ConformerConfig | ConvolutionalConfig) -> None:
    check_positive(f"model.{group}", config, tuple(field.name for field in dataclasses.fields(config)))
    if config.kernel_frames % 2 == 0:
        raise InputError(f"model.{group}.kernel_frames: {config.kernel_frames} is not odd, so it has no middle")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Everything that decides a model's parameters and output."""

    # what turns images into frames of features: "keras" (the Keras example's layers), "residual", "conformer" or
    # "convolutional", see `hwr_jax.models.encoders`
    encoder: str = "keras"
    # the frame. The width gives `width_px / stride_px` CTC frames.
    height_px: int = 32
    width_px: int = 128
    # a named alphabet ("iam78", "iam79" with the space, "latin1-european"), the characters themselves, "training"
    # (those of the training split), or "union" (those and all that the model of --init_from knows)
    alphabet: str = "iam78"
    # features of the convolutions, each followed by 2 x 2 max pooling; in the residual encoder the last is not
    conv_features: tuple[int, ...] = (32, 64)
    conv_blocks: tuple[int, ...] = ()  # residual encoder: blocks of two convolutions after each of `conv_features`
    # residual encoder: "channels" normalises every pixel over its channels before each block, "none" does not
    normalization: str = "none"
    # residual encoder: a column's features become those of a frame as a "stack", or by their "max"imum
    columns: str = "stack"
    # features of the layer between convolutions and LSTMs; the residual encoder can do without (0)
    dense_features: int = 64
    # residual encoder: whether classes are also read without the LSTMs, while training; see `losses.shortcut`
    shortcut: bool = False
    # units a direction of each bidirectional LSTM; of the encoders that have them
    lstm_features: tuple[int, ...] = (128, 64)
    # sizes of these encoders
    conformer: ConformerConfig = ConformerConfig()
    convolutional: ConvolutionalConfig = ConvolutionalConfig()
    dropout: float = 0.2  # rate after the dense layer
    lstm_dropout: float = 0.25  # rate on the input of each LSTM
    compute_dtype: str = "float32"  # "float32" or "bfloat16"; parameters and logits are float32 either way

    def __post_init__(self) -> None:
        check_choice("model.encoder", self.encoder, ENCODERS)
        for name in ("height_px", "width_px"):
            if (size := getattr(self, name)) <= 0 or size % self.stride_px:
                raise InputError(
                    f"model.{name}: {size} is not a positive multiple of {self.stride_px}, the pooling's reduction"
                )
        check_choice("model.compute_dtype", self.compute_dtype, COMPUTE_DTYPES)
        check_choice("model.normalization", self.normalization, NORMALIZATIONS)
        check_choice("model.columns", self.columns, COLUMNS)
        self._check_layers()
        for name in ("dropout", "lstm_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"model.{name}: {getattr(self, name)} is not in [0, 1)")

    def _check_layers(self) -> None:
        if self.encoder != "residual":
            levers = (bool(self.conv_blocks), self.normalization != "none", self.columns != "stack", self.shortcut)
            if any(levers):
                raise InputError(
                    f"model.encoder: {self.encoder!r} has no conv_blocks, normalization, columns or shortcut;"
                    " 'residual' has"
                )
        elif len(self.conv_blocks) != len(self.conv_features):
            sizes = f"{count_of(self.conv_blocks, 'number')} for {count_of(self.conv_features, 'convolution')}"
            raise InputError(f"model.conv_blocks: {sizes}; give one for each of conv_features")
        least_dense = 0 if self.encoder == "residual" else 1
        if min(*self.conv_features, *self.lstm_features) < 1 or self.dense_features < least_dense:
            raise InputError("model: conv_features, dense_features and lstm_features are positive numbers")
        if min(self.conv_blocks, default=0) < 0:
            raise InputError("model.conv_blocks: a number is negative")

    @property
    def frames(self) -> int:
        """Length of the model's output, T."""
        return self.width_px // self.stride_px

    @property
    def stride_px(self) -> int:
        """Columns of the image a frame of the output."""
        return 2 ** (len(self.conv_features) - (self.encoder == "residual"))
