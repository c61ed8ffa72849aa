"""Memory does not grow with the data: a process of its own fits, selects and trains on many times what it may hold."""

import os
import subprocess
import sys

# Images of a megabyte, so that few are many times the memory that the process has.
_SCRIPT = """
import dataclasses, io, resource, sys
import numpy as np
from pathlib import Path
from PIL import Image
from hwr_jax.data.preprocessed import preprocess_samples, join_samples
from hwr_jax.data.preprocessed import load_or_preprocess
from hwr_jax.data.labels import encode_labels, select_trainable
from hwr_jax.data.pipeline import make_batch_of_step, make_batches, plan_dispatches, sample_arrays
from hwr_jax.data.sample import Sample
from hwr_jax.ink.model_input import Preprocessing
from hwr_jax.text.alphabet import Alphabet

COUNT, FRAME, ALPHABET = 400, Preprocessing(512, 2048, "line"), Alphabet("ab")
pixels = COUNT * FRAME.height_px * FRAME.width_px

def status(name):
    return next(1024 * int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name + ":"))

def draw():
    for number in range(COUNT):
        image = io.BytesIO()
        Image.new("L", (30, 20), 255 - number % 200).save(image, "PNG")
        yield Sample(str(number), "ab" if number % 10 else "x", "w", image.getvalue())

def fit(writer):
    return preprocess_samples(draw(), FRAME, writer=writer)

room = pixels // 4
resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + room,) * 2)
before = status("VmHWM")
for _ in range(2):  # preprocessed anew, then from the cache
    preprocessed = load_or_preprocess(Path(sys.argv[1]), "train", FRAME, fit)
    joined = join_samples([preprocessed, preprocessed])
    samples = select_trainable(joined, ALPHABET, 99)
    assert len(samples) == 2 * COUNT * 9 // 10, len(samples)
    arrays = sample_arrays(samples.images_NxHxW, samples.widths_N, encode_labels(samples.texts, ALPHABET))
    batch_of_step = make_batch_of_step(arrays, batch_size=4, seed=0)
    batches = make_batches(batch_of_step, plan_dispatches(0, len(samples) // 4, 1, ()))
    assert sum(batch["images"].nbytes for batch in batches) == samples.images_NxHxW.nbytes
grown = status("VmHWM") - before
assert grown < room, f"{grown / 1e6:.0f} MB more than before, of {pixels / 1e6:.0f} MB of pixels"
"""


def test_a_split_is_never_in_memory(tmp_path, repository):
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, tmp_path],
        env=os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
