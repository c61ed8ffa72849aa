"""The models in PyTorch, channels last."""

import itertools
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.benchmarks.peers import TRAIN_STEP, Program, Task
from hwr_jax.config import ModelConfig
from hwr_jax.models.normalization import EPSILON


class ChannelNorm(nn.LayerNorm):
    """Of [B, C, W, H], which lie in memory as [B, W, H, C], over the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two convolutions, each of normalised and rectified input, added to what comes in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        parts = ((ChannelNorm(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)) for _ in range(2))
        self.layers = nn.Sequential(*itertools.chain.from_iterable(parts))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


class TorchRecognizer(nn.Module):
    """The layers of the encoders "keras" and "residual" out of PyTorch's own; columns are stacked.

    nn.LSTM has two biases where the others have one. Both directions share a dropout mask; in the seed model each has
    its own.
    """

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        channels = (1, *config.conv_features)
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(channels))
        self.residual = config.encoder == "residual"
        blocks = config.conv_blocks if self.residual else (0,) * len(config.conv_features)
        self.blocks = nn.ModuleList()
        self.norms = nn.ModuleList()
        for features, count in zip(config.conv_features, blocks, strict=True):
            self.blocks.append(nn.Sequential(*(ResidualBlock(features) for _ in range(count))))
            self.norms.append(ChannelNorm(features) if self.residual else nn.Identity())
        shrunk_height = config.height_px // config.stride_px
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
        layers = zip(self.convolutions, self.blocks, self.norms, strict=True)
        for number, (convolution, blocks, norm) in enumerate(layers, start=1):
            x = nn.functional.relu(convolution(x))
            if not self.residual or number < len(self.convolutions):
                x = nn.functional.max_pool2d(x, 2)
            x = norm(blocks(x))
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


def build(task: Task, *_: str) -> Program:
    """A training step, or a prediction: images to log probabilities, both on the host."""
    words = task.load_words()
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    torch.manual_seed(0)
    model: Any = TorchRecognizer(task.model, words.num_classes)
    model = model.to(device, memory_format=torch.channels_last)

    def images() -> torch.Tensor:
        # [B, W, H, 1] in memory is [B, 1, W, H] channels last.
        images_Bx1xWxH = torch.from_numpy(words.images_BxWxHx1).permute(0, 3, 1, 2)
        return images_Bx1xWxH.to(device, memory_format=torch.channels_last)

    labels, lengths = torch.from_numpy(words.labels_BxL).to(device), torch.from_numpy(words.lengths_B)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    last_loss: list[torch.Tensor] = []

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = mean_ctc_loss(model(images()), labels, lengths)
        loss.backward()
        optimizer.step()
        last_loss[:] = [loss.detach()]
        if on_gpu:
            torch.cuda.synchronize()

    @torch.inference_mode()
    def predict() -> np.ndarray:
        return model(images()).cpu().numpy()

    trains = task.kind == TRAIN_STEP
    model.train(trains)
    return Program(
        run=train if trains else predict,
        loss=lambda: float(last_loss[0]) if last_loss else None,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        packages=("torch", "numpy"),
        device=torch.cuda.get_device_name() if on_gpu else "cpu",
        device_peak_bytes=torch.cuda.max_memory_allocated if on_gpu else lambda: None,
    )
