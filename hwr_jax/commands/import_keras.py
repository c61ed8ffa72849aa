"""`hwr import-keras`: a model trained with Keras becomes a run."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hwr_jax.commands.options import Parser, positive, run
from hwr_jax.messages import count_of

_EPILOG = """FILE is a .keras file, a .weights.h5 file or the .h5 of Keras 2. It holds the model of the example
"handwriting_recognizer" in any sizes, with or without the layer for the loss, whatever the names of its layers.
h5py reads it; Keras is not needed.

The characters are those of the model's classes 1, 2, 3 ... in that order: class 0 is the unknown character, the
last but one is unused, the last is the blank, as in the example. A text file holds them in one line, or one a line;
a first line [UNK] is passed over. The order matters: a model trained with a set of characters that was never sorted
has its own. Here they are put into code point order, and the weights with them, which changes no result.

The run is a finished one of 0 steps with the config keras_example.

to train it further by another recipe:
  hwr import-keras model.keras --alphabet=iam78 --workdir=runs/keras --config=FILE.py
  hwr train --workdir=runs/keras --config=FILE.py
"""


def main(argv: Sequence[str]) -> int:
    """Turns a model trained with Keras into a run that hwr read, evaluate, export and train take."""
    parser = Parser(prog="hwr import-keras", description=main.__doc__, epilog=_EPILOG)
    parser.add_argument("file", type=Path, metavar="FILE", help="what Keras saved")
    parser.add_argument(
        "--alphabet", required=True, help="a name (iam78), the characters in the order of the classes, or a .txt file"
    )
    parser.add_argument("--workdir", type=Path, required=True, metavar="DIR", help="the folder to make")
    parser.add_argument(
        "--preprocessing",
        choices=("keras", "word"),
        help="how its images were preprocessed (default: as a file of hwr export says, else keras: as in the example, "
        "black padding and bilinear)",
    )
    parser.add_argument(
        "--width_px", type=positive, metavar="N", help="width of its images, if FILE has weights alone (default 128)"
    )
    parser.add_config_flags(required=False)
    options = parser.parse(argv)

    from hwr_jax.keras_import import import_keras

    done = import_keras(**vars(options))
    for note in done.notes:
        print(f"hwr import-keras: {note}", file=sys.stderr)
    model, workdir = done.config.model, options.workdir
    print(
        f"{workdir}: {done.parameters:,} parameters, {count_of(done.characters, 'character')}, images "
        f"{model.width_px} x {model.height_px} px preprocessed as {done.config.data.preprocessing!r}\n"
        f"Read images:  hwr read --model={workdir} IMAGE ...\n"
        f"Measure it:   hwr evaluate --workdir={workdir} --data=NAME --source=PATH --split=all\n"
        f"Pack it:      hwr export --workdir={workdir} --output=DIR"
    )
    return 0


if __name__ == "__main__":
    sys.exit(run("import-keras", main, sys.argv[1:]))
