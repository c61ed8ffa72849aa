"""What the commands of experiments/ share: exit statuses and progress lines."""

import sys

FAILED, PREEMPTED = 1, 75


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
