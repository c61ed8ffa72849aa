"""What the programs that run on jax tell of their device."""

import jax


def jax_device() -> str:
    """What jax runs on."""
    return jax.devices()[0].device_kind


def jax_peak_bytes() -> int | None:
    """The most device memory jax held; None on CPUs, where it is the host's."""
    statistics = jax.devices()[0].memory_stats() or {}
    return statistics.get("peak_bytes_in_use")
