"""Convolutions and pooling: 3 x 3 convolution, on CPUs as products of matrices.

XLA's CPU convolution hardly gains from a second core, and its gradient of the kernel is slow, above all inside a loop.
On CPUs a few samples at a time, which stay in the cache, are therefore multiplied by the kernel as matrices, forward
and for both gradients. Elsewhere the convolution is XLA's.

Where the compiled kernel is there it does the forward convolution, and that for the image's gradient.

A single channel, the first layer, is a sum of nine shifted products on all platforms. It fuses with what follows it, so
that the output is never written at full size when a pool comes next; and the kernel's gradient is one product.

The gradient of XLA's pool is a select-and-scatter, which XLA runs slowly on CPUs (over ten times ours' time at the seed
model's first pool). A maximum of four strided slices needs comparisons alone.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from hwr_jax.models.cpu_kernels import library

# Of 64 x 16 pixels and 32 to 64 channels: fewer make small products, more leave the cache.
SAMPLES_AT_A_TIME = 4


def by_xla(x: Array, kernel: Array) -> Array:
    """XLA's own."""
    return lax.conv_general_dilated(
        x, kernel, window_strides=(1, 1), padding="SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def kernel_fits(x: Array, kernel: Array, channels: tuple[int, ...] = ()) -> bool:
    """Whether the compiled kernel is there and made for these sizes: sixteens of channels, or as many as said."""
    _, width, height, depth = x.shape
    even = width % 2 == height % 2 == 0
    wide = (depth in channels or depth % 16 == 0) and kernel.shape[3] % 16 == 0
    return even and wide and x.dtype == kernel.dtype == jnp.float32 and bool(library.use_library())


def _keep_operands(function: Callable[[Array, Array], Array]) -> Callable[..., tuple[Array, tuple[Array, Array]]]:
    """What `defvjp` takes for forward where the gradient needs the operands alone."""
    return lambda x, kernel: (function(x, kernel), (x, kernel))


@jax.custom_vjp
def by_kernel(x: Array, kernel: Array) -> Array:
    """By the compiled kernel, where `kernel_fits`."""
    result = jax.ShapeDtypeStruct((*x.shape[:3], kernel.shape[3]), jnp.float32)
    return library.call("convolve", result)(x, kernel)


def _kernel_backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    d_kernel = library.call("convolution_gradient", jax.ShapeDtypeStruct(kernel.shape, jnp.float32))(x, gradient)
    return by_kernel(gradient, turn_kernel(kernel)), d_kernel


by_kernel.defvjp(_keep_operands(by_kernel), _kernel_backward)


@jax.custom_vjp
def by_products(x: Array, kernel: Array) -> Array:
    """As products of matrices, a few samples at a time."""
    return lax.map(lambda some: _multiply_strips(_strips(some), kernel), _divide(x)).reshape(*x.shape[:3], -1)


def _products_backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    turned = turn_kernel(kernel)

    def retreat(d_kernel: Array, part: tuple[Array, Array]) -> tuple[Array, Array]:
        some, gradient = part
        return d_kernel + _kernel_gradient(some, gradient), _multiply_strips(_strips(gradient), turned)

    d_kernel, d_x = lax.scan(retreat, _zero_gradient(kernel), (_divide(x), _divide(gradient)))
    return d_x.reshape(x.shape), d_kernel.reshape(kernel.shape)


by_products.defvjp(_keep_operands(by_products), _products_backward)


def turn_kernel(kernel: Array) -> Array:
    """The kernel turned round: the gradient of the image is the gradient of the output, convolved with it."""
    return kernel[::-1, ::-1].swapaxes(2, 3)


def _zero_gradient(kernel: Array) -> Array:
    return jnp.zeros((3, 3 * kernel.shape[2], kernel.shape[3]), dtype=kernel.dtype)


def _kernel_gradient(x: Array, gradient: Array) -> Array:
    """Of a few samples, [3, 3 C, F]."""
    strips, width = _strips(x), x.shape[1]
    flat = gradient.reshape(-1, gradient.shape[3])
    return jnp.stack([jnp.matmul(strips[:, i : i + width].reshape(-1, strips.shape[3]).T, flat) for i in range(3)])


def _divide(x_BxWxHxC: Array) -> Array:
    """[N, B / N, W, H, C]: a few samples at a time."""
    batch = x_BxWxHxC.shape[0]
    few = max(count for count in range(1, SAMPLES_AT_A_TIME + 1) if batch % count == 0)
    return x_BxWxHxC.reshape(-1, few, *x_BxWxHxC.shape[1:])


def _strips(x_BxWxHxC: Array) -> Array:
    """Every pixel with its two neighbours along H, and a column of zeros at both ends of W: [B, W + 2, H, 3 C]."""
    height = x_BxWxHxC.shape[2]
    padded = jnp.pad(x_BxWxHxC, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jnp.concatenate([padded[:, :, j : j + height] for j in range(3)], axis=-1)


def _multiply_strips(strips: Array, kernel: Array) -> Array:
    """One product with the kernel's three columns, whose results are added where they overlap along W."""
    batch, width, height, depth = strips.shape
    features = kernel.shape[-1]
    columns = kernel.transpose(1, 2, 0, 3).reshape(depth, 3 * features)
    products = jnp.matmul(strips.reshape(-1, depth), columns).reshape(batch, width, height, 3, features)
    return sum(products[:, i : width - 2 + i, :, i] for i in range(3))  # type: ignore[return-value]


def _shifts(x: Array) -> list[Array]:
    """The nine neighbours of every pixel, each [B, W, H, 1], in the kernel's order."""
    _, width, height, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, i : i + width, j : j + height] for i in range(3) for j in range(3)]


@jax.custom_vjp
def one_channel(x: Array, kernel: Array) -> Array:
    """Of a single channel: a sum of nine shifted products."""
    taps = kernel.reshape(9, -1)
    total = jnp.zeros((), dtype=x.dtype)
    for shift, tap in zip(_shifts(x), taps, strict=True):
        total = total + shift * tap[None, None, None]
    return total


def _one_channel_backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    windows = jnp.concatenate(_shifts(x), axis=-1).reshape(-1, 9)
    d_kernel = jnp.matmul(windows.T, gradient.reshape(windows.shape[0], -1)).reshape(kernel.shape)
    # Not computed for the first layer: nobody asks for the gradient of the image.
    d_x = by_xla(gradient, turn_kernel(kernel))
    return d_x, d_kernel


one_channel.defvjp(_keep_operands(one_channel), _one_channel_backward)


@jax.custom_vjp
def max_pool_2x2(x_BxWxHxC: Float[Array, "B W H C"]) -> Float[Array, "B W2 H2 C"]:
    """Maximum over windows of 2 x 2 with stride 2, no padding: an odd last row or column is left out.

    The gradient goes to the first maximum of a window in row-major order, as in TensorFlow.
    """
    return functools.reduce(jnp.maximum, _corners(x_BxWxHxC))


def _corners(x: Array) -> list[Array]:
    batch, width, height, channels = x.shape
    even = x[:, : width // 2 * 2, : height // 2 * 2]
    windows = even.reshape(batch, width // 2, 2, height // 2, 2, channels)
    return [windows[:, :, i, :, j] for i in (0, 1) for j in (0, 1)]


def _first_equal(corners: list[Array], maximum: Array) -> Array:
    """Which of the four is the maximum, the first where several are."""
    a, b, c, _ = corners
    return jnp.where(a == maximum, 0, jnp.where(b == maximum, 1, jnp.where(c == maximum, 2, 3)))


def _max_pool_forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    corners = _corners(x)
    maximum = functools.reduce(jnp.maximum, corners)
    first_maximum = _first_equal(corners, maximum)
    # Where the maximum was, and of x no more than its odd edge: so x itself need not be kept, nor even be written when
    # the convolution before fuses with the pool.
    odd_edge = x[:, x.shape[1] // 2 * 2 :, x.shape[2] // 2 * 2 :, :0]
    return maximum, (first_maximum.astype(jnp.int8), odd_edge)


def _max_pool_backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    first_maximum, odd_edge = residuals
    batch, width, height, channels = gradient.shape
    corner = jnp.arange(4, dtype=jnp.int8).reshape(1, 1, 2, 1, 2, 1)
    zero = jnp.zeros((), dtype=gradient.dtype)
    spread = jnp.where(first_maximum[:, :, None, :, None] == corner, gradient[:, :, None, :, None], zero)
    even = spread.reshape(batch, 2 * width, 2 * height, channels)
    return (jnp.pad(even, ((0, 0), (0, odd_edge.shape[1]), (0, odd_edge.shape[2]), (0, 0))),)


max_pool_2x2.defvjp(_max_pool_forward, _max_pool_backward)


@jax.custom_vjp
def pooled_by_kernel(x: Array, kernel: Array, bias: Array) -> Array:
    """Convolution, bias, max pooling and rectifier in one pass, by the compiled kernel."""
    return _pooled_forward(x, kernel, bias)[0]


def _pooled_forward(x: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    samples, width, height, _ = x.shape
    shape = (samples, width // 2, height // 2, kernel.shape[-1])
    results = (jax.ShapeDtypeStruct(shape, jnp.float32), jax.ShapeDtypeStruct(shape, jnp.int8))
    call = library.call("convolve_and_pool", results)
    pooled, corners = call(x, kernel, bias)
    return pooled, (x, kernel, corners)


def _pooled_backward(residuals: tuple[Array, Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    x, kernel, corners = residuals
    results = (jax.ShapeDtypeStruct(kernel.shape, jnp.float32), jax.ShapeDtypeStruct(kernel.shape[-1:], jnp.float32))
    call = library.call("kernel_gradient", results)
    d_kernel, d_bias = call(x, corners, gradient)
    return _image_gradient(x, kernel, corners, gradient), d_kernel, d_bias


def _image_gradient(x: Array, kernel: Array, corners: Array, gradient: Array) -> Array:
    # The compiled kernel makes sixteen channels at a time; of a single one, the image, nobody asks for it.
    channels = -(-x.shape[-1] // 16) * 16
    turned = jnp.pad(turn_kernel(kernel), ((0, 0), (0, 0), (0, 0), (0, channels - x.shape[-1])))
    result = jax.ShapeDtypeStruct((*x.shape[:3], channels), jnp.float32)
    call = library.call("image_gradient", result)
    return call(turned, corners, gradient)[..., : x.shape[-1]]


pooled_by_kernel.defvjp(_pooled_forward, _pooled_backward)


def pooled_by_stride(x: Array, kernel: Array, bias: Array) -> Array:
    """The same as one convolution with stride 2, the four pixels of a window as four groups of its features.

    So nothing is interleaved along the image, for which accelerators shuffle and pad.
    """
    shifted = [jnp.pad(kernel, ((i, 1 - i), (j, 1 - j), (0, 0), (0, 0))) for i in (0, 1) for j in (0, 1)]
    return _rectified_most(x, jnp.concatenate(shifted, axis=3), bias)


def _convolve_by_two(x: Array, kernels_4x4xCx4F: Array) -> Array:
    dimensions = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernels_4x4xCx4F, (2, 2), ((1, 1), (1, 1)), dimension_numbers=dimensions)


@jax.custom_vjp
def _rectified_most(x: Array, kernels: Array, bias: Array) -> Array:
    return _rectified_forward(x, kernels, bias)[0]


def _rectified_forward(x: Array, kernels: Array, bias: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    corners = jnp.split(_convolve_by_two(x, kernels), 4, axis=3)
    maximum = functools.reduce(jnp.maximum, corners)
    y = jax.nn.relu(maximum + bias[None, None, None])
    first_maximum = _first_equal(corners, maximum)
    return y, (x, kernels, jnp.where(y > 0, first_maximum, 4).astype(jnp.int8))  # 4: rectified


def _rectified_backward(residuals: tuple[Array, Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    x, kernels, corner = residuals
    zero = jnp.zeros((), dtype=gradient.dtype)
    d_bias = jnp.where(corner < 4, gradient, zero).astype(jnp.float32).sum((0, 1, 2)).astype(gradient.dtype)
    spread = jnp.concatenate([jnp.where(corner == index, gradient, zero) for index in range(4)], axis=3)
    return *jax.vjp(_convolve_by_two, x, kernels)[1](spread), d_bias


_rectified_most.defvjp(_rectified_forward, _rectified_backward)


def frames_by_xla(x: Array, kernel: Array) -> Array:
    """Depthwise convolution over frames [B, T, F] by a kernel [K, F], same padding, by XLA."""
    dimensions = ("NWC", "WIO", "NWC")
    return lax.conv_general_dilated(
        x, kernel[:, None], (1,), "SAME", dimension_numbers=dimensions, feature_group_count=x.shape[-1]
    )


@jax.custom_vjp
def frames_by_shifts(x: Array, kernel: Array) -> Array:
    """The same as a sum of shifted products: XLA on CPUs takes twenty times as long for its own."""
    shifted = zip(_frame_shifts(x, len(kernel)), kernel, strict=True)
    return sum(part * tap[None, None] for part, tap in shifted)


def _frame_shifts(x: Array, count: int) -> list[Array]:
    padded = jnp.pad(x, ((0, 0), (count // 2, count // 2), (0, 0)))
    return [padded[:, index : index + x.shape[1]] for index in range(count)]


def _frames_backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    d_kernel = jnp.stack([(part * gradient).sum(axis=(0, 1)) for part in _frame_shifts(x, len(kernel))])
    return frames_by_shifts(gradient, kernel[::-1]), d_kernel


frames_by_shifts.defvjp(_keep_operands(frames_by_shifts), _frames_backward)
