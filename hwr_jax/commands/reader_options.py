"""Flags of the data formats: which columns, which lines, whose hand."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwr_jax.data.formats.base import Option, Options


def add_reader_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the options of all formats, each with the formats that take it, in a group of their own."""
    from hwr_jax.data.formats.table import FORMATS

    group = parser.add_argument_group("of some formats")
    for option in _options().values():
        takers = [format.name for format in FORMATS.values() if option in format.options]
        text = f"{option.help} ({', '.join(takers)})"
        if option.switch is None:
            group.add_argument(f"--{option.name}", metavar=option.metavar, help=text)
        else:
            flag = option.name if option.switch else f"no_{option.name}"
            group.add_argument(f"--{flag}", dest=option.name, action="store_const", const=option.switch, help=text)


def reader_options(args: argparse.Namespace) -> "Options":
    """The options that were given."""
    return {name: value for name in _options() if (value := getattr(args, name, None)) is not None}


def _options() -> "dict[str, Option]":
    from hwr_jax.data.formats.table import FORMATS

    return {option.name: option for format in FORMATS.values() for option in format.options}
