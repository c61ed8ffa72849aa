"""The one exception that means "what you gave me is wrong"."""


class InputError(ValueError):
    """Wrong input: the message is one line that says what, where and what to do.

    Commands print the message without a traceback and exit with status 1.
    """
