"""An extension of griffe: the comments of a dataclass's fields become the list of attributes of its docstring."""

import ast
from typing import Any

import griffe


class FieldComments(griffe.Extension):
    """Takes the comment behind a field, or the lines of comment right above it."""

    def on_class_members(self, *, node: ast.AST | griffe.ObjectNode, cls: griffe.Class, **kwargs: Any) -> None:
        """Adds the list, where the docstring has none of its own."""
        if not isinstance(node, ast.ClassDef) or cls.docstring is None or "Attributes:" in cls.docstring.value:
            return
        lines = cls.lines_collection[cls.filepath]
        fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
        listed = [f"  {ast.unparse(field.target)}: {words}" for field in fields if (words := comment_of(field, lines))]
        if listed:
            cls.docstring.value += "\n\nAttributes:\n" + "\n".join(listed)


def comment_of(field: ast.AnnAssign, lines: list[str]) -> str:
    """The comment on a field, as one line; "" where there is none."""
    assert field.end_lineno is not None
    behind = lines[field.end_lineno - 1].encode()[field.end_col_offset :].decode().strip()
    if behind.startswith("#"):
        return behind.lstrip("# ")
    above: list[str] = []
    for line in reversed(lines[: field.lineno - 1]):
        if not line.strip().startswith("#"):
            break
        above.insert(0, line.strip().lstrip("# "))
    return " ".join(above)
