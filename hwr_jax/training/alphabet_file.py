"""alphabet.txt: the characters of a run whose alphabet was built from its training split."""

from pathlib import Path

from hwr_jax.errors import InputError
from hwr_jax.files import write_text
from hwr_jax.text.alphabet import Alphabet

ALPHABET_FILE = "alphabet.txt"


def hold_alphabet(workdir: Path, alphabet: Alphabet) -> None:
    """Writes a run's alphabet, or compares it with what the run began with.

    Raises:
      InputError: the training split has other characters than when the run began.
    """
    path = workdir / ALPHABET_FILE
    if path.exists() and any((workdir / "checkpoints").glob("[0-9]*")):
        before = path.read_text(encoding="utf-8").removesuffix("\n")
        if before != alphabet.characters:
            changed = "".join(sorted(set(before) ^ set(alphabet.characters)))
            raise InputError(
                f"--workdir {workdir}: holds a run with another alphabet (differs in {changed}); the training data "
                "have changed; start a new run, with --init_from to go on from this one"
            )
    write_text(path, f"{alphabet.characters}\n")
