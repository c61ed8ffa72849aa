"""What accelerators compute instead of gathers, against the gathers."""

import jax
import jax.numpy as jnp
import numpy as np

from hwr_jax.models import lookup, ops

RANDOM = np.random.default_rng(0)


def test_products_sample_what_gathers_do_inside_and_outside():
    image = jnp.asarray(RANDOM.random((12, 7)), jnp.float32)
    x, y = (jnp.asarray(RANDOM.uniform(-3, size + 3, (40, 5)), jnp.float32) for size in image.shape)
    x, y = x.at[0].set(jnp.array([-1.0, 0.0, 3.0, 11.0, 12.0])), y.at[0].set(jnp.array([2.0, -1.0, 6.0, 7.0, 0.0]))
    np.testing.assert_allclose(lookup.by_products(image, x, y), lookup.by_gathers(image, x, y), atol=1e-6)


def test_rows_hold_what_pairs_do_to_the_bit():
    table = RANDOM.normal(size=(30, 9)).astype(np.float32)
    table[3, 4] = -np.inf
    rows, columns = jnp.array([3, 0, 29, 3]), jnp.asarray(RANDOM.integers(0, 9, (4, 6))).at[0, 0].set(4)
    for values in (jnp.asarray(table), jnp.asarray(RANDOM.integers(-(2**31), 2**31 - 1, (30, 9)), jnp.int32)):
        found = lookup.pairs_by_rows(values, rows, columns)
        np.testing.assert_array_equal(found, lookup.pairs_by_gather(values, rows, columns))
        assert found.dtype == values.dtype


def test_tpus_gather_no_single_pixel():
    def gathers(platform):
        program = jax.jit(ops.sample_bilinear).trace(jnp.ones((8, 6)), jnp.ones(5), jnp.ones(5))
        return "stablehlo.gather" in program.lower(lowering_platforms=(platform,)).as_text()

    assert [gathers(platform) for platform in ("cpu", "cuda", "tpu")] == [True, True, False]
