"""The parts of a data set's name; imports no reader, so that lists of models are quick."""


def split_name(name: str) -> tuple[str, str]:
    """The format and the user's own name of a data set: "manifest/letters" is ("manifest", "letters")."""
    format_name, _, own_name = name.partition("/")
    return format_name, own_name
