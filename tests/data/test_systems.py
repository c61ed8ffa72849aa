"""Data on systems other than Linux: the calls and files that only Linux has are taken away first."""

import subprocess
import sys

WITHOUT_LINUX = """
import os, pathlib, sys

for name in ("sched_getaffinity", "sched_setaffinity", "memfd_create", "preadv", "pwritev", "eventfd"):
    if hasattr(os, name):
        delattr(os, name)
exists = pathlib.Path.exists
pathlib.Path.exists = lambda path, **options: not str(path).startswith("/proc") and exists(path, **options)

import tempfile
from hwr_jax.data.loading import ensure_prepared, load_split
from hwr_jax.config import DataConfig
from hwr_jax.ink.model_input import Preprocessing

config = DataConfig(data_dir=sys.argv[1], split="writer", writers=20, words_per_writer=1)
ensure_prepared(config)
first = load_split(config, "train", Preprocessing())
assert len(first) and first.images_NxHxW[:].shape == (len(first), 32, 128)
assert (load_split(config, "train", Preprocessing()).images_NxHxW[:] == first.images_NxHxW[:]).all()

os.environ["HWR_JAX_DATA_DIR"] = sys.argv[1]
tempfile.tempdir = sys.argv[1] + "/gone"
from hwr_jax.data.preprocessed import preprocess_samples
from hwr_jax.data.prepared import load_prepared
from hwr_jax.data.loading import prepared_name

samples = load_prepared(prepared_name(config), "train")
assert (preprocess_samples(samples, Preprocessing()).images_NxHxW[:] == first.images_NxHxW[:]).all()
"""


def test_data_are_prepared_and_loaded_without_what_only_linux_has(tmp_path):
    done = subprocess.run([sys.executable, "-c", WITHOUT_LINUX, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
