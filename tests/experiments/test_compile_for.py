"""Programs compiled for TPUs that are not there, where the compiler is installed."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

needs_libtpu = pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu absent: .[tpu] has it")


def compile_for(*flags, environment):
    command = [sys.executable, "-m", "experiments.compile_for", *flags]
    keep = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}
    return subprocess.run(command, env={**environment, **keep}, capture_output=True, text=True, timeout=900)


@pytest.fixture
def environment(repository):
    paths = [str(repository), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@needs_libtpu
@pytest.mark.parametrize(
    ("topology", "parallel", "gflop"), [("v5e:1x1", "jit", 8.19), ("v5e:2x2", "mesh", 2.05)], ids=["one", "four"]
)
def test_the_seed_step_compiles_for_chips_that_are_not_there(topology, parallel, gflop, environment):
    flags = ("--config=quickstart", f"--topology={topology}", f"--parallel={parallel}")
    done = compile_for(*flags, environment=environment)
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"([\d.]+) GFLOP", done.stdout)[1]) == pytest.approx(gflop, rel=0.1)
    assert 0.1 < float(re.search(r"estimate: ([\d.]+) ms", done.stdout)[1]) < 10
    # The LSTMs are kernels, and loops no more.
    assert 0.005 < float(re.search(r"kernels of ours, ([\d.]+) ms", done.stdout)[1]) < 0.1
    assert not re.findall(r"^ *\d+ .*bidirectional.*/while$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--topology=v9:1x1",), "--topology=v9:1x1: not one of v4, v5e"),
        (("--topology=v5e:1x1", "--program=nothing"), "argument --program: invalid choice: 'nothing'"),
        (("--topology=v5e:1x1", "--config=nothing"), "config nothing: no such config"),
    ],
)
def test_wrong_flags_are_one_line(flags, message, capsys, monkeypatch):
    from experiments.compile_for.__main__ import main
    from hwr_jax.commands.options import run

    monkeypatch.setattr(os, "environ", dict(os.environ))
    config = [] if any(flag.startswith("--config") for flag in flags) else ["--config=quickstart"]
    assert run("experiments.compile_for", main, [*config, *flags], program="") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_the_largest_batch_is_the_last_doubled_one_that_compiles(monkeypatch):
    from experiments.compile_for import __main__ as module
    from experiments.compile_for.programs import Sizes
    from hwr_jax.errors import InputError

    def compile_up_to_200(options, config, sizes, target):
        if sizes.batch > 200:
            raise InputError("does not fit")

    monkeypatch.setattr(module, "_compile", compile_up_to_200)
    assert module._find_largest(None, None, Sizes(24, 128), None) == "192"
