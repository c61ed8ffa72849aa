"""Our batches as a Keras data set."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hwr_jax.data.pipeline import Batch
from hwr_jax.ink.preprocessing import images_to_input
from hwr_jax.models.keras_model import import_keras


def make_feed(batch_of_step: Callable[[int], Batch], steps_per_epoch: int, kind: str) -> Any:
    """A keras.utils.PyDataset of (images [B, W, H, 1] float32, labels [B, L] int32).

    Labels are padded with 0, the unknown class, which is never a target. What only fills up the last batch of an epoch
    is left away: Keras takes a batch of another size.

    Args:
      batch_of_step: see `hwr_jax.data.pipeline.make_batch_of_step`.
      steps_per_epoch: Keras resets its running means after so many.
      preprocessing: of the frames.
    """
    keras = import_keras()

    class Feed(keras.utils.PyDataset):  # type: ignore[name-defined]
        """Counts the epochs, so that batches are those of the steps of the run."""

        epoch = 0

        def __len__(self) -> int:
            return steps_per_epoch

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            batch = batch_of_step(self.epoch * steps_per_epoch + index)
            real = batch["weights"] > 0
            return images_to_input(batch["images"][real], kind), batch["labels"][real]

        def on_epoch_end(self) -> None:
            self.epoch += 1

    return Feed()
