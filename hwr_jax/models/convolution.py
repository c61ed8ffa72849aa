"""3 x 3 convolution, on CPUs as products of matrices.

XLA's CPU convolution hardly gains from a second core, and its gradient of the kernel is slow, above all inside a loop.
On CPUs a few samples at a time, which stay in the cache, are therefore multiplied by the kernel as matrices, forward
and for both gradients. Elsewhere the convolution is XLA's.

Where the compiled kernel is there it does the forward convolution, and that for the image's gradient.

A single channel, the first layer, is a sum of nine shifted products on all platforms. It fuses with what follows it, so
that the output is never written at full size when a pool comes next; and the kernel's gradient is one product.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from hwr_jax.models.cpu_kernels import library

# Of 64 x 16 pixels and 32 to 64 channels: fewer make small products, more leave the cache.
SAMPLES_AT_A_TIME = 4


def by_xla(x: Array, kernel: Array) -> Array:
    """XLA's own."""
    return lax.conv_general_dilated(
        x, kernel, window_strides=(1, 1), padding="SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def kernel_fits(x: Array, kernel: Array) -> bool:
    """Whether the compiled kernel is there and made for these sizes."""
    width, height = x.shape[1:3]
    even = width % 2 == height % 2 == 0
    wide = kernel.shape[2] % 16 == kernel.shape[3] % 16 == 0
    return even and wide and x.dtype == kernel.dtype == jnp.float32 and library.use_library()


@jax.custom_vjp
def by_kernel(x: Array, kernel: Array) -> Array:
    """By the compiled kernel, where `kernel_fits`."""
    result = jax.ShapeDtypeStruct((*x.shape[:3], kernel.shape[3]), jnp.float32)
    return jax.ffi.ffi_call("hwr_jax_convolve", result, vmap_method="sequential")(x, kernel)


def _kernel_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return by_kernel(x, kernel), (x, kernel)


def _kernel_backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals

    def add(d_kernel: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
        return d_kernel + _kernel_gradient(*part), None

    d_kernel, _ = lax.scan(add, _zero_gradient(kernel), (_divide(x), _divide(gradient)))
    return by_kernel(gradient, turn_kernel(kernel)), d_kernel.reshape(kernel.shape)


by_kernel.defvjp(_kernel_forward, _kernel_backward)


@jax.custom_vjp
def by_products(x: Array, kernel: Array) -> Array:
    """As products of matrices, a few samples at a time."""

    def convolve(some: Array) -> Array:
        return _multiply_strips(_strips(some), kernel)

    return lax.map(convolve, _divide(x)).reshape(*x.shape[:3], -1)


def _products_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return by_products(x, kernel), (x, kernel)


def _products_backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    turned = turn_kernel(kernel)

    def retreat(d_kernel: Array, part: tuple[Array, Array]) -> tuple[Array, Array]:
        some, gradient = part
        return d_kernel + _kernel_gradient(some, gradient), _multiply_strips(_strips(gradient), turned)

    d_kernel, d_x = lax.scan(retreat, _zero_gradient(kernel), (_divide(x), _divide(gradient)))
    return d_x.reshape(x.shape), d_kernel.reshape(kernel.shape)


by_products.defvjp(_products_forward, _products_backward)


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


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return one_channel(x, kernel), (x, kernel)


def _backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    windows = jnp.concatenate(_shifts(x), axis=-1).reshape(-1, 9)
    d_kernel = jnp.matmul(windows.T, gradient.reshape(windows.shape[0], -1)).reshape(kernel.shape)
    # Not computed for the first layer: nobody asks for the gradient of the image.
    d_x = by_xla(gradient, turn_kernel(kernel))
    return d_x, d_kernel


one_channel.defvjp(_forward, _backward)
