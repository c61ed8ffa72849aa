"""Finds the lines of pages by kraken's default baseline segmenter; runs in kraken's environment, without hwr_jax.

Reads paths of images from standard input, one a line, and answers each by a line of JSON: `lines`, pairs of an outline
and a baseline in pixels, and CPU `seconds`; or `problem`. The first line tells kraken's version.
"""

import json
import sys
import time
from importlib import metadata


def main() -> None:
    """Answers until standard input ends."""
    import torch
    from kraken import blla  # its model, blla.mlmodel, comes with it
    from PIL import Image

    torch.set_num_threads(1)
    print(json.dumps({"kraken": metadata.version("kraken")}), flush=True)
    for row in sys.stdin:
        image = Image.open(row.rstrip("\n"))
        began = time.process_time()
        try:
            found = blla.segment(image, device="cpu")
        except Exception as error:  # Whatever kraken raises is its answer to this page.
            print(json.dumps({"problem": f"{type(error).__name__}: {error}"}), flush=True)
            continue
        lines = [(line.boundary, line.baseline) for line in found.lines if line.boundary and line.baseline]
        print(json.dumps({"lines": lines, "seconds": time.process_time() - began}), flush=True)


if __name__ == "__main__":
    main()
