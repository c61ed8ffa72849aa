"""`hwr doctor`: what is installed, what it runs on, what lies in caches, and what is missing for what."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from hwr_jax.cache import CACHE_KINDS, cache_folder, find_cached
from hwr_jax.columns import align_columns
from hwr_jax.commands.options import Parser, print_json, run
from hwr_jax.reports.tables import show_bytes

# What preparing a large data set and keeping checkpoints takes.
_LEAST_FREE_BYTES = 2_000_000_000


def main(argv: Sequence[str]) -> int:
    """Prints what there is. Returns 1 where something keeps the package from working."""
    parser = Parser(
        prog="hwr doctor",
        description="Says which versions are installed, which devices jax finds, whether the compiled kernels are in "
        "use, how large the caches are, which data sets are prepared, and what is missing for which extra. The exit "
        "status is 1 where something is wrong. Send the output with a report of a fault.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    findings = {**_installed(), **_machine(), **_kept()}
    wrong = [*findings.pop("wrong_versions"), *_wrong_disk(findings)]
    if options.json:
        print_json({**findings, "wrong": wrong}, indent=2)
    else:
        verdict = "\n".join(f"wrong: {line}" for line in wrong) or "nothing is wrong"
        print(f"{_describe(findings)}\n\n{verdict}")
    return 1 if wrong else 0


def _installed() -> dict[str, Any]:
    from hwr_jax.installation import find_required
    from hwr_jax.training.workdir import describe_software

    required = find_required()
    extras = sorted({one.extra for one in required if one.extra})
    return {
        **describe_software(),
        "missing_for_extras": {
            extra: [f"{one.name}{one.wanted}" for one in required if one.extra == extra and not one.is_right]
            for extra in extras
        },
        "wrong_versions": [one.describe() for one in required if not one.extra and not one.is_right],
    }


def _machine() -> dict[str, Any]:
    import jax

    from hwr_jax.models.cpu_kernels.library import able_vectors, describe, find_compiler

    return {
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "devices": [f"{device.platform} ({device.device_kind})" for device in jax.devices()],
        "vectors": able_vectors(),
        "kernels": describe(),
        "compiler": find_compiler(),
    }


def _kept() -> dict[str, Any]:
    from hwr_jax.data.prepared import default_data_dir, prepared_names

    root = cache_folder("data").parent
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    cached = [find_cached(kind) for kind in CACHE_KINDS]
    return {
        "cache": str(there),
        "cache_writable": os.access(there, os.W_OK),
        "free_bytes": shutil.disk_usage(there).free,
        "cached": {one.kind: {"folder": str(one.folder), "bytes": one.bytes} for one in cached},
        "data_dir": str(default_data_dir()),
        "prepared": prepared_names(),
    }


def _wrong_disk(findings: dict[str, Any]) -> Iterator[str]:
    if not findings["cache_writable"]:
        yield f"{findings['cache']} cannot be written to, so nothing is kept; set XDG_CACHE_HOME to another folder"
    if findings["free_bytes"] < _LEAST_FREE_BYTES:
        free = show_bytes(findings["free_bytes"])
        yield f"{free} are free at {findings['cache']}; prepared data and checkpoints may need more"


def _describe(findings: dict[str, Any]) -> str:
    versions = findings["versions"]
    rows = [
        ("Python", f"{findings['python']} on {findings['platform']}, {findings['cpus']} CPUs"),
        ("commit", findings["git"] or "not of a repository"),
        ("packages", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("devices", ", ".join(findings["devices"])),
        ("kernels", findings["kernels"] or "are for CPUs alone"),
        ("CPU vectors", ", ".join(findings["vectors"])),
        ("C++ compiler", findings["compiler"] or "none, so kernels cannot be compiled"),
        *(
            (f"cache: {kind}", f"{show_bytes(one['bytes'])} in {one['folder']}")
            for kind, one in findings["cached"].items()
        ),
        ("free there", show_bytes(findings["free_bytes"])),
        ("prepared data", ", ".join(findings["prepared"]) or f"none in {findings['data_dir']}"),
        *((f"extra {extra}", _describe_missing(missing)) for extra, missing in findings["missing_for_extras"].items()),
    ]
    return align_columns(rows)


def _describe_cached(cached: dict[str, Any]) -> str:
    return f"{show_bytes(cached['bytes'])} in {cached['folder']}"


def _describe_missing(missing: Sequence[str]) -> str:
    return f"missing: {', '.join(missing)}" if missing else "installed"


if __name__ == "__main__":
    sys.exit(run("doctor", main, sys.argv[1:]))
