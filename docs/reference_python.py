"""The public Python names as a reference, from their sources: signatures as written, docstrings as Markdown."""

import ast
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import qse_hw

_ENTRY, _NAMED = re.compile(r"^([*]{0,2}[A-Za-z_][A-Za-z_, ]*):"), r"`\1`:"
SECTIONS = ("Args", "Parameters", "Attributes", "Returns", "Raises", "Yields")


def names() -> str:
    """A section per public name."""
    return "\n\n".join(part for name in qse_hw.__all__ for part in public(name, getattr(qse_hw, name)))


def public(name: str, value: Any) -> Iterator[str]:
    """The parts of a name's section."""
    yield f"## {name}"
    if isinstance(value, ModuleType):
        yield markdown_of(value.__doc__)
        for one, function in sorted(vars(value).items()):
            if inspect.isfunction(function) and function.__module__ == value.__name__ and not one.startswith("_"):
                yield f"### {name}.{one}"
                yield from function_of(function, one)
    elif inspect.isclass(value):
        yield from class_of(value)
    elif inspect.isfunction(value):
        yield from function_of(value, name)
    else:
        yield f"`{', '.join(value)}`: the names, in this order."


def class_of(value: type) -> Iterator[str]:
    """A class: how it is made, what it is, its public members that are documented."""
    (tree,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(value))).body
    assert isinstance(tree, ast.ClassDef)
    fields = [ast.unparse(one) for one in tree.body if isinstance(one, ast.AnnAssign)]
    bases = f"({', '.join(map(ast.unparse, tree.bases))})" if tree.bases else ""
    lines = [f"class {value.__name__}{bases}", *(f"    {field}" for field in fields if not field.startswith("_"))]
    yield fenced("\n".join(lines))
    yield markdown_of(value.__doc__)
    for one in tree.body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_") and ast.get_docstring(one):
            kind = " ".join(f"@{ast.unparse(decorator)}" for decorator in one.decorator_list)
            yield f"### {value.__name__}.{one.name}"
            yield fenced(f"{kind}\n{signature(one)}" if kind else signature(one))
            yield markdown_of(ast.get_docstring(one))


def function_of(value: Any, name: str) -> Iterator[str]:
    """A function: its signature and what it does."""
    (tree,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(value))).body
    assert isinstance(tree, ast.FunctionDef)
    yield fenced(signature(tree, name))
    yield markdown_of(value.__doc__)


def signature(tree: ast.FunctionDef, name: str = "") -> str:
    """As written, on one line."""
    returns = f" -> {ast.unparse(tree.returns)}" if tree.returns else ""
    return f"def {name or tree.name}({ast.unparse(tree.args)}){returns}"


def fenced(code: str) -> str:
    """A block of Python."""
    return f"```python\n{code}\n```"


def markdown_of(docstring: str | None) -> str:
    """A docstring in Google's style: roles as code, sections as lists."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"``\1``", inspect.cleandoc(docstring or "")).replace("``", "`")
    parts = []
    for part in text.split("\n\n"):
        head, _, rest = part.partition("\n")
        if head.rstrip(":") in SECTIONS and head.endswith(":"):
            parts += [f"**{head.rstrip(':')}**", items(inspect.cleandoc("\n" + rest))]
        else:
            parts.append(part)
    return "\n\n".join(parts)


def items(text: str) -> str:
    """The entries of a section, each of which may go on in indented lines."""
    entries: list[str] = []
    for line in text.splitlines():
        if line.startswith(" ") and entries:
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line)
    return "\n".join(f"- {_ENTRY.sub(_NAMED, entry)}" for entry in entries)
