"""The seed model in PyTorch, channels last."""

import functools
import itertools
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.benchmarks.task import Program, Task, load_words
from hwr_jax.config import ModelConfig

PACKAGES = ("torch", "numpy")


class TorchRecognizer(nn.Module):
    """The layers of the seed model out of PyTorch's own.

    nn.LSTM has two biases where the others have one. Both directions share a dropout mask; in the seed model each has
    its own.
    """

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        channels = (1, *config.conv_features)
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(channels))
        shrunk_height = config.height_px // 2 ** len(config.conv_features)
        self.dense = nn.Linear(shrunk_height * channels[-1], config.dense_features)
        self.dropout = nn.Dropout(config.dropout)
        # Of [B, F, T] it drops whole features: one mask for all frames.
        self.lstm_dropout = nn.Dropout1d(config.lstm_dropout)
        self.lstms = nn.ModuleList()
        inputs = config.dense_features
        for units in config.lstm_features:
            self.lstms.append(nn.LSTM(inputs, units, batch_first=True, bidirectional=True))
            inputs = 2 * units
        self.classes = nn.Linear(inputs, num_classes)

    def forward(self, images_Bx1xWxH: torch.Tensor) -> torch.Tensor:
        """Log probabilities [B, T, K]."""
        x = images_Bx1xWxH
        for convolution in self.convolutions:
            x = nn.functional.max_pool2d(nn.functional.relu(convolution(x)), 2)
        x = x.permute(0, 2, 3, 1).flatten(2)
        x = self.dropout(nn.functional.relu(self.dense(x)))
        for lstm in self.lstms:
            x = self.lstm_dropout(x.transpose(1, 2)).transpose(1, 2)
            x, _ = lstm(x)
        return nn.functional.log_softmax(self.classes(x), dim=-1)


def mean_ctc_loss(log_probs_BxTxK: torch.Tensor, labels_BxL: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
    """F.ctc_loss with the last class as blank; lengths lie on the host."""
    batch, frames, classes = log_probs_BxTxK.shape
    frames_B = torch.full((batch,), frames, dtype=lengths_B.dtype)
    losses_B = nn.functional.ctc_loss(
        log_probs_BxTxK.transpose(0, 1), labels_BxL, frames_B, lengths_B, blank=classes - 1, reduction="none"
    )
    return losses_B.mean()


def build_train(task: Task) -> Program:
    """A training step."""
    (batch_size,) = task.batch_sizes
    words, device = load_words(task.words_file).first(batch_size), _device()
    model = _build_model(task.model, words.num_classes, device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    labels, lengths = torch.from_numpy(words.labels_BxL).to(device), torch.from_numpy(words.lengths_B)
    last_loss: list[torch.Tensor] = []

    def run() -> None:
        images = _to_device(words.images_BxWxHx1, device)
        optimizer.zero_grad(set_to_none=True)
        loss = mean_ctc_loss(model(images), labels, lengths)
        loss.backward()
        optimizer.step()
        last_loss[:] = [loss.detach()]
        _wait(device)

    return _program(model, device, {batch_size: run}, lambda: float(last_loss[0]))


def build_predict(task: Task) -> Program:
    """A prediction: images to log probabilities, both on the host."""
    words, device = load_words(task.words_file), _device()
    model = _build_model(task.model, words.num_classes, device).eval()

    @torch.inference_mode()
    def run(size: int) -> np.ndarray:
        return model(_to_device(words.images_BxWxHx1[:size], device)).cpu().numpy()

    return _program(model, device, {size: functools.partial(run, size) for size in task.batch_sizes}, None)


def _program(model: nn.Module, device: torch.device, runs: Any, loss: Any) -> Program:
    on_gpu = device.type == "cuda"
    return Program(
        runs=runs,
        loss=loss,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        packages=PACKAGES,
        device=torch.cuda.get_device_name() if on_gpu else "cpu",
        device_peak_bytes=torch.cuda.max_memory_allocated if on_gpu else lambda: None,
    )


def _build_model(config: ModelConfig, num_classes: int, device: torch.device) -> TorchRecognizer:
    torch.manual_seed(0)
    model: Any = TorchRecognizer(config, num_classes)
    return model.to(device, memory_format=torch.channels_last)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _to_device(images_BxWxHx1: np.ndarray, device: torch.device) -> torch.Tensor:
    # [B, W, H, 1] in memory is [B, 1, W, H] channels last.
    return torch.from_numpy(images_BxWxHx1).permute(0, 3, 1, 2).to(device, memory_format=torch.channels_last)
