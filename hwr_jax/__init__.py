"""hwr_jax: handwriting recognition in JAX.

```
import hwr_jax

reader = hwr_jax.load("unipen_words")
print(reader.read(["word.png"])[0].text)
```
"""

import os
from typing import TYPE_CHECKING

from hwr_jax.errors import InputError

if TYPE_CHECKING:
    from hwr_jax.decoding.decoder import Decoder
    from hwr_jax.decoding.settings import DecoderSettings
    from hwr_jax.reader import Reader

__all__ = ["InputError", "load"]


def load(
    name_or_path: "str | os.PathLike[str]",
    decoder: "str | os.PathLike[str] | DecoderSettings | Decoder" = "greedy",
) -> "Reader":
    """A reader with a trained model, see `hwr_jax.reader.Reader`.

    Args:
      name_or_path: the name of a model that comes with the package ("unipen_words"), the folder of an exported one, or
        the workdir of a run.
      decoder: "greedy", "beam", "tuned" (decoder.json in the model's folder), a file of settings (FILE.json),
        `hwr_jax.decoding.settings.DecoderSettings`, or an object with `decode(log_probs_BxTxK, frames_B, n_best)`.

    Raises:
      InputError: there is no such model or decoder, or a file of either is damaged.
    """
    # Imported when asked for: `import hwr_jax` is quick and leaves jax alone.
    from hwr_jax import reader

    return reader.load(name_or_path, decoder)
