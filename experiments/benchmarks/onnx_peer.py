"""Our own models by the readers of ONNX files, from the file that `hwr export --format=onnx` writes."""

from collections.abc import Callable

import numpy as np

from experiments.benchmarks.ours import example_config, untrained_model
from experiments.benchmarks.peers import Program, Task
from hwr_jax.models.onnx_model import build_onnx


def build(task: Task, _: str, name: str) -> Program:
    """A prediction: uint8 images to log probabilities, both on the host."""
    words = task.load_words()
    model = untrained_model(example_config(model=task.model))
    file = build_onnx(model, {}).SerializeToString()
    predict = {"onnxruntime": _load_in_onnxruntime, "openvino": _load_in_openvino}[name](file)
    return Program(lambda: predict(words.images_BxHxW), model.parameters, (name, "onnx", "numpy"), "cpu")


def _load_in_onnxruntime(file: bytes) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["log_probs"], {"images": images})[0]


def _load_in_openvino(file: bytes) -> Callable[[np.ndarray], np.ndarray]:
    import openvino

    core = openvino.Core()
    # So that what it computes is of float32, as everybody else's.
    compiled = core.compile_model(core.read_model(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: compiled({"images": images})["log_probs"]
