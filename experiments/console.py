"""What the commands of experiments/ share: exit statuses, progress lines, and flags that take a count."""

import argparse
import sys

FAILED, PREEMPTED = 1, 75


def say(line: str) -> None:
    """Prints a progress line to stderr."""
    print(line, file=sys.stderr, flush=True)


def positive(text: str) -> int:
    """A flag's whole number from 1 up. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)
