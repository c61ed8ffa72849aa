"""The compiled kernels compute what XLA's operations do."""

import functools
import hashlib
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hwr_jax.models import bidirectional, convolution, ctc, dense, normalization, ops
from hwr_jax.models.cpu_kernels import library

pytestmark = pytest.mark.usefixtures("quick_compilation")


@functools.partial(jax.jit, static_argnums=0)
def value_and_gradients(function, gradient, *operands):
    """The function's value, and the gradients of its operands for one of the value."""
    value, backward = jax.vjp(function, *operands)
    return value, backward(gradient)


def plain_block(x, kernel, bias):
    """The definition, of XLA's own operations."""
    y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    y = y + bias[None, None, None]
    return jax.nn.relu(lax.reduce_window(y, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"))


def block_operands(samples, width, height, channels, features):
    keys = jax.random.split(jax.random.key(samples + width), 4)
    return (
        jax.random.normal(keys[0], (samples, width, height, channels)),
        jax.random.normal(keys[1], (3, 3, channels, features)) / channels**0.5,
        jax.random.normal(keys[2], (features,)),
        jax.random.normal(keys[3], (samples, width // 2, height // 2, features)),
    )


BLOCKS = [(3, 16, 8, 1, 32), (2, 8, 6, 16, 16), (1, 12, 4, 32, 48), (18, 4, 4, 16, 80)]


@pytest.mark.parametrize("sizes", BLOCKS)
@pytest.mark.usefixtures("kernels")
def test_pooled_convolution_and_its_gradients_are_those_of_jax(sizes):
    x, kernel, bias, gradient = block_operands(*sizes)
    pooled, gradients = value_and_gradients(convolution.pooled_by_kernel, gradient, x, kernel, bias)
    expected, expected_gradients = value_and_gradients(plain_block, gradient, x, kernel, bias)
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-5)
    for own, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("sizes", [(5, 8, 6, 16, 32), (1, 12, 4, 32, 48), (2, 32, 8, 64, 128)])
@pytest.mark.usefixtures("kernels")
def test_plain_convolution_and_its_gradients_are_those_of_jax(sizes):
    x, kernel, _, _ = block_operands(*sizes)
    gradient = jax.random.normal(jax.random.key(0), (*x.shape[:3], kernel.shape[3]))
    assert convolution.kernel_fits(x, kernel)
    result, gradients = value_and_gradients(convolution.by_kernel, gradient, x, kernel)
    expected, expected_gradients = value_and_gradients(convolution.by_xla, gradient, x, kernel)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    for own, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("image", "kernel"),
    [
        ((1, 7, 4, 16), (3, 3, 16, 16)),
        ((1, 8, 5, 16), (3, 3, 16, 16)),
        ((1, 8, 4, 8), (3, 3, 8, 16)),
        ((1, 8, 4, 16), (3, 3, 16, 8)),
    ],
)
@pytest.mark.usefixtures("widest")
def test_plain_convolutions_of_other_sizes_go_without_the_kernel(image, kernel):
    assert not convolution.kernel_fits(jnp.zeros(image), jnp.zeros(kernel))
    assert not convolution.kernel_fits(jnp.zeros((1, 8, 4, 16), jnp.bfloat16), jnp.zeros((3, 3, 16, 16), jnp.bfloat16))


def exact_block(x, kernel, bias):
    """The definition, in float64."""
    x, kernel, bias = (np.asarray(array, np.float64) for array in (x, kernel, bias))
    samples, width, height, _ = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = sum(padded[:, i : i + width, j : j + height] @ kernel[i, j] for i in range(3) for j in range(3)) + bias
    return np.maximum(y.reshape(samples, width // 2, 2, height // 2, 2, -1).max(axis=(2, 4)), 0)


# Columns with more windows than are computed together; odd numbers of windows and parts of features; the model.
@pytest.mark.parametrize("sizes", [(1, 4, 68, 16, 16), (2, 22, 10, 48, 144), (1, 64, 16, 32, 64), (1, 128, 32, 1, 32)])
@pytest.mark.usefixtures("kernels")
def test_rounding_errors_of_the_pooled_convolution_are_small(sizes):
    x, kernel, bias, _ = block_operands(*sizes)
    # The sums have a standard deviation of 3.
    np.testing.assert_allclose(
        convolution.pooled_by_kernel(x, kernel, bias), exact_block(x, kernel, bias), rtol=0, atol=1e-5
    )


@pytest.mark.usefixtures("kernels")
def test_the_gradient_goes_to_the_first_of_equal_maxima():
    # Small whole numbers: many windows hold their maximum twice, and all sums are exact.
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.randint(keys[0], (4, 8, 8, 16), -1, 2).astype(jnp.float32)
    kernel = jax.random.randint(keys[1], (3, 3, 16, 16), -1, 2).astype(jnp.float32)
    gradient = jax.random.randint(keys[2], (4, 4, 4, 16), 1, 9).astype(jnp.float32)
    bias = jnp.zeros(16)
    pooled, gradients = value_and_gradients(convolution.pooled_by_kernel, gradient, x, kernel, bias)
    expected, expected_gradients = value_and_gradients(ops.convolve_then_pool, gradient, x, kernel, bias)
    np.testing.assert_array_equal(pooled, expected)
    for own, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_array_equal(own, other)


@pytest.mark.parametrize("channels", [1, 16])
@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.usefixtures("kernels")
def test_what_is_no_number_is_not_hidden_by_the_pool_nor_seen_elsewhere(place, channels):
    x, kernel, bias, _ = block_operands(1, 8, 8, channels, 16)
    pooled = convolution.pooled_by_kernel(x.at[0, 4 + place[0], 4 + place[1], 0].set(jnp.nan), kernel, bias)
    sees = np.zeros((4, 4), bool)
    sees[1 + place[0] : 3 + place[0], 1 + place[1] : 3 + place[1]] = True
    np.testing.assert_array_equal(np.isnan(pooled[0]), np.broadcast_to(sees[..., None], pooled.shape[1:]))


def lstm_operands(samples, frames, units):
    keys = jax.random.split(jax.random.key(samples + units), 4)
    gates = (samples, frames, 4 * units)
    return (
        jax.random.normal(keys[0], gates),
        jax.random.normal(keys[1], gates),
        jax.random.normal(keys[2], (2, units, 4 * units)) / units**0.5,
        jax.random.normal(keys[3], (samples, frames, 2 * units)),
    )


@pytest.mark.parametrize("sizes", [(3, 7, 16), (21, 5, 48), (1, 9, 64), (4, 1, 80), (3, 6, 5), (2, 4, 100)])
@pytest.mark.usefixtures("kernels")
def test_lstm_and_its_gradients_are_those_of_the_scan(sizes):
    *arguments, gradient = lstm_operands(*sizes)
    hidden, gradients = value_and_gradients(bidirectional.by_kernel, gradient, *arguments)
    expected, expected_gradients = value_and_gradients(bidirectional.by_scan, gradient, *arguments)
    np.testing.assert_allclose(hidden, expected, rtol=1e-5, atol=2e-6)
    for own, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("kernels")
def test_gates_far_out_saturate_and_what_is_no_number_stays_so():
    values = np.repeat(
        np.array([-np.inf, -1e30, -100, -1e-20, 0, 1e-4, 0.09, 0.11, 5, 100, 1e30, np.inf], np.float32), 64
    )
    gates = jnp.asarray(values.reshape(12, 1, 64))
    recurrent = jnp.zeros((2, 16, 64))
    hidden = bidirectional.by_kernel(gates, gates, recurrent)
    np.testing.assert_allclose(hidden, bidirectional.by_scan(gates, gates, recurrent), rtol=2e-6, atol=1e-30)
    assert np.isnan(bidirectional.by_kernel(gates * jnp.nan, gates, recurrent)[..., :16]).all()


@pytest.mark.usefixtures("kernels")
def test_inference_has_the_bits_of_training():
    *arguments, _ = lstm_operands(21, 5, 32)
    hidden, _ = bidirectional._kernel_forward(*arguments)
    np.testing.assert_array_equal(bidirectional.by_kernel(*arguments), hidden)


def dense_operands(samples, frames, inputs, outputs):
    keys = jax.random.split(jax.random.key(inputs + outputs), 5)
    return (
        jax.random.normal(keys[0], (samples, frames, inputs)),
        jax.random.normal(keys[1], (inputs, outputs)) / inputs**0.5,
        jax.random.normal(keys[2], (outputs,)),
        jax.random.bernoulli(keys[3], 0.7, (samples, inputs)) / 0.7,
        jax.random.normal(keys[4], (samples, frames, outputs)) / (samples * frames) ** 0.5,
    )


# Fewer than a vector; parts of panels, of depths and of rows; more than one of each.
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (3, 7, 5, 9), (5, 33, 130, 81), (2, 100, 64, 200)])
@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
@pytest.mark.usefixtures("kernels")
def test_the_map_of_frames_and_its_gradients_are_those_of_jax(sizes, masked):
    *operands, masks, gradient = dense_operands(*sizes)
    (value, gradients), (expected, expected_gradients) = (
        value_and_gradients(functools.partial(function, masks_BxF=masks if masked else None), gradient, *operands)
        for function in (dense.by_kernel, dense.by_xla)
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    for own, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-5)


def norm_operands(pixels, channels):
    keys = jax.random.split(jax.random.key(pixels + channels), 4)
    return (
        3 * jax.random.normal(keys[0], (1, pixels, channels)) + 1,
        jax.random.normal(keys[1], (channels,)),
        jax.random.normal(keys[2], (channels,)),
        jax.random.normal(keys[3], (1, pixels, channels)) / pixels**0.5,
    )


@pytest.mark.parametrize("sizes", [(1, 16), (37, 48), (1100, 128)])
@pytest.mark.parametrize("rectified", [False, True], ids=["as it is", "rectified"])
@pytest.mark.usefixtures("kernels")
def test_norm_and_its_gradients_are_those_of_jax(sizes, rectified, monkeypatch):
    *operands, gradient = norm_operands(*sizes)
    assert normalization.kernel_fits(operands[0])
    by_kernel = functools.partial(normalization.by_kernel, rectified=rectified)
    value, gradients = value_and_gradients(by_kernel, gradient, *operands)
    monkeypatch.setenv("HWR_JAX_OPS", "plain")
    by_jax = functools.partial(ops.normalize, rectified=rectified)
    expected, expected_gradients = value_and_gradients(by_jax, gradient, *operands)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    for own, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-5)


def ctc_operands(batch=6, frames=24, classes=21, longest=9, scale=1.0):
    keys = jax.random.split(jax.random.key(classes), 2)
    # The same id twice, a label that just fits, no label, and one that no alignment spells.
    labels = jax.random.randint(keys[0], (batch, longest), 0, classes - 1).at[0, 1].set(3).at[0, 2].set(3)
    lengths = jnp.array([longest, 4, 0, 1, longest, longest], jnp.int32)
    counts = jnp.array([frames, frames - 3, frames, 1, 2 * longest, longest - 1], jnp.int32)
    return scale * jax.random.normal(keys[1], (batch, frames, classes)), labels, lengths, counts


@pytest.mark.parametrize("scale", [0.3, 6.0], ids=["even", "certain"])
@pytest.mark.usefixtures("kernels")
def test_losses_and_their_gradients_are_those_of_the_scan(scale):
    logits, *labels = ctc_operands(scale=scale)
    (own, (d_own,)), (other, (d_other,)) = (
        value_and_gradients(lambda x, losses=losses: losses(x, *labels), jnp.arange(6.0), logits)
        for losses in (ctc.by_kernel, ctc.by_one_scan)
    )
    np.testing.assert_allclose(own[:5], other[:5], rtol=1e-5)
    np.testing.assert_allclose(d_own[:5], d_other[:5], atol=1e-4)
    assert not np.asarray(d_own[1, 21:]).any()
    assert own[5] > 9e4
    assert np.isfinite(d_own).all()


@pytest.mark.usefixtures("kernels")
def test_a_loss_of_what_is_no_number_is_none():
    logits, *labels = ctc_operands()
    losses = ctc.by_kernel(logits.at[0, 5, 7].set(jnp.nan), *labels)
    assert np.isnan(losses).tolist() == [True, *[False] * 5]


def results_of_other_kernels():
    """What the kernels for frames, pixels and losses make of the same operands."""
    *operands, masks, gradient = dense_operands(3, 50, 130, 81)
    for some in (jnp.zeros((0, 0)), masks):
        value, kept = dense._forward(*operands, some)
        yield from (value, *dense._backward(kept, gradient)[:3])
    *operands, gradient = norm_operands(37, 48)
    for rectified in (False, True):
        value, kept = normalization._kernel_forward(*operands, rectified)
        yield from (value, *normalization._kernel_backward(rectified, kept, gradient))
    yield from ctc._kernel_forward(*ctc_operands())


@pytest.mark.parametrize("channels", [1, 16])
@pytest.mark.usefixtures("kernels")
def test_a_sample_does_not_depend_on_the_batch(channels):
    *arguments, _ = lstm_operands(21, 5, 32)
    x, kernel, bias, gradient = block_operands(21, 8, 8, channels, 16)
    hidden = bidirectional.by_kernel(*arguments)
    pooled, (*_, corners) = convolution._pooled_forward(x, kernel, bias)
    d_x = convolution._image_gradient(x, kernel, corners, gradient)
    for some in (slice(0, 1), slice(3, 8), slice(17, 21)):
        part = bidirectional.by_kernel(arguments[0][some], arguments[1][some], arguments[2])
        np.testing.assert_array_equal(part, hidden[some])
        part, (*_, some_corners) = convolution._pooled_forward(x[some], kernel, bias)
        np.testing.assert_array_equal(part, pooled[some])
        part = convolution._image_gradient(x[some], kernel, some_corners, gradient[some])
        np.testing.assert_array_equal(part, d_x[some])


def digest_of_all_kernels():
    """Of the bits that every kernel makes of the same operands."""
    assert library.use_library()
    *arguments, d_hidden = lstm_operands(21, 5, 32)
    hidden, kept = bidirectional._kernel_forward(*arguments)
    # The gradient of the recurrent kernel is XLA's.
    results = [hidden, *bidirectional._kernel_backward(kept, d_hidden)[:2]]
    for channels in (1, 32):
        x, kernel, bias, gradient = block_operands(21, 40, 8, channels, 48)
        pooled, kept = convolution._pooled_forward(x, kernel, bias)
        results += [pooled, *convolution._pooled_backward(kept, gradient)]
    results += convolution._kernel_backward((x, kernel), jnp.repeat(jnp.repeat(gradient, 2, 1), 2, 2))
    results += results_of_other_kernels()
    return hashlib.sha256(b"".join(np.asarray(result).tobytes() for result in results)).hexdigest()


@pytest.mark.usefixtures("widest")
def test_bits_do_not_depend_on_the_number_of_threads():
    code = (
        "import os, runpy, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "print(runpy.run_path(sys.argv[1])['digest_of_all_kernels']())"
    )
    # Which optimizations there are changes the bits of the operands, which XLA draws.
    settings = {"JAX_NUM_CPU_DEVICES": "1", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, __file__], env=os.environ | settings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == digest_of_all_kernels()


@pytest.mark.usefixtures("widest")
def test_the_same_bits_every_time():
    x, kernel, bias, gradient = block_operands(40, 16, 8, 16, 32)
    gradients = jax.jit(lambda g: jax.vjp(convolution.pooled_by_kernel, x, kernel, bias)[1](g))
    first = gradients(gradient)
    for _ in range(10):
        for a, b in zip(first, gradients(gradient), strict=True):
            np.testing.assert_array_equal(a, b)


FUSED = [name for name in library.able_vectors() if name != "plain"]


@pytest.mark.usefixtures("cache")
@pytest.mark.skipif(len(FUSED) < 2, reason="this CPU has vectors of one width")
def test_wider_vectors_compute_the_same_bits(using_kernels):
    digests = set()
    for vectors in FUSED:
        with using_kernels(vectors):
            digests.add(digest_of_all_kernels())
    assert len(digests) == 1


TYPES = {"float32": "f32", "int32": "s32", "int8": "s8"}


@pytest.fixture(scope="module")
def run_on_arm(tmp_path_factory):
    """`run_on_arm(name, operands, results)`: a kernel compiled for another CPU, by an emulator; see run_kernel.cc."""
    compiler, emulator = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")
    if compiler is None or emulator is None:
        pytest.skip("aarch64-linux-gnu-g++ or qemu-aarch64 is not installed")
    folder = tmp_path_factory.mktemp("arm")
    built = library.compile_library(compiler, "NEON", folder, "-Werror")
    program, source = folder / "run_kernel", Path(__file__).parent / "run_kernel.cc"
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-isystem", jax.ffi.include_dir()]
    subprocess.run([compiler, *flags, source, built, "-o", program], check=True)
    command = [emulator, "-L", "/usr/aarch64-linux-gnu", "-E", f"LD_LIBRARY_PATH={folder}", program]

    def word(array):
        return ",".join([TYPES[array.dtype.name], *map(str, array.shape)])

    def run(name, operands, results):
        words = [name, *map(word, operands), "-", *map(word, results)]
        data = b"".join(np.asarray(operand).tobytes() for operand in operands)
        done = subprocess.run([*command, *words], input=data, capture_output=True, check=True).stdout
        ends = np.cumsum([result.dtype.itemsize * math.prod(result.shape) for result in results])
        parts = zip(results, [0, *ends], ends, strict=False)
        return [jnp.frombuffer(done[a:b], result.dtype).reshape(result.shape) for result, a, b in parts]

    return run


@pytest.mark.usefixtures("cache")
def test_neon_has_the_bits_of_other_vectors(run_on_arm, using_kernels, monkeypatch):
    def results_of_all_kernels():
        *arguments, d_hidden = lstm_operands(5, 4, 32)
        hidden, kept = bidirectional._kernel_forward(*arguments)
        yield from (bidirectional.by_kernel(*arguments), hidden, *kept[2:])
        yield from bidirectional._kernel_backward(kept, d_hidden)[:2]
        for channels in (1, 32):
            x, kernel, bias, gradient = block_operands(3, 20, 8, channels, 48)
            pooled, kept = convolution._pooled_forward(x, kernel, bias)
            yield from (pooled, kept[2], *convolution._pooled_backward(kept, gradient))
        yield convolution.by_kernel(x, kernel)
        yield from convolution._kernel_backward((x, kernel), jnp.repeat(jnp.repeat(gradient, 2, 1), 2, 2))
        yield from results_of_other_kernels()

    def call_on_arm(name, results):
        def run(*operands):
            outputs = run_on_arm(name, operands, results if isinstance(results, tuple) else (results,))
            return tuple(outputs) if isinstance(results, tuple) else outputs[0]

        return run

    if not FUSED:
        pytest.skip("this CPU rounds products before it adds them")
    with using_kernels(FUSED[0]):
        expected = list(results_of_all_kernels())
    monkeypatch.setattr(library, "call", call_on_arm)
    monkeypatch.setattr(library, "lanes", lambda: library.VECTORS["NEON"].lanes)
    for own, other in zip(results_of_all_kernels(), expected, strict=True):
        np.testing.assert_array_equal(own, other)
