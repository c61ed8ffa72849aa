"""Nested dicts as flat ones, their keys joined, and back."""

from collections.abc import Mapping
from typing import Any


def flatten(tree: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """{"a": {"b": 1}} with "/" becomes {"a/b": 1}; empty dicts vanish."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}{separator}{below}": leaf for below, leaf in flatten(value, separator).items()}
        else:
            flat[name] = value
    return flat


def unflatten(flat: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """The nested dicts that `flatten` made flat."""
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, name = path.split(separator)
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return tree
