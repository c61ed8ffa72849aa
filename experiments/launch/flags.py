"""Values of launchers' flags."""

import argparse


def positive(text: str) -> int:
    """A whole number from 1 up. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)
