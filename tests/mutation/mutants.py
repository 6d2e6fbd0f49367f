"""The mutants of a Python file: one small fault each, made by mutmut's operators.

mutmut itself skips every decorated function and all module-level code, so it would pass over cached properties, cached
tables and constants, which are the heart of golden; hence only its operators are used. Not mutated, because no test of
behaviour could or should see it: docstrings, annotations, decorators, type definitions, ``Protocol`` bodies, and what
``raise`` says (texts of errors; whether one is raised is mutated, in the condition before it).
"""

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.mutators import mutation_operators


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One fault in ``file`` (path from the root).

    ``function`` is the outermost function that contains it, as (qualified name, line of its first line with its
    decorators), or None for code that runs when the module is imported. ``lines`` are those of the statement it is in,
    first and last.
    """

    file: str
    function: tuple[str, int] | None
    lines: tuple[int, int]
    before: str
    after: str
    source: str

    @cached_property
    def key(self) -> str:
        """A name that stays when other lines of the file change: of the change itself and of its place in its function."""
        return hashlib.sha256("\0".join((self.file, self.place, self.diff)).encode()).hexdigest()[:12]

    @property
    def place(self) -> str:
        """The function's name, or ``<module>``."""
        return self.function[0] if self.function else "<module>"

    @cached_property
    def diff(self) -> str:
        """The changed lines, ``-`` before and ``+`` after, and those around that tell where."""
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), n=2, lineterm="")
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def mutants(file: str, source: str) -> list[Mutant]:
    """All mutants of ``source``, in its order; two that are the same text count once."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    finder = _Finder(file, wrapper.module)
    wrapper.visit(finder)
    found: dict[str, Mutant] = {}
    for mutant in finder.found:
        if mutant.after != source:
            found.setdefault(mutant.after, mutant)
    return list(found.values())


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider)

    def __init__(self, file: str, module: cst.Module) -> None:
        super().__init__()
        self.file, self.module, self.source = file, module, module.code
        self.names: list[str] = []
        self.functions: list[tuple[str, int]] = []
        self.found: list[Mutant] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if self._left_alone(node):
            return False
        if isinstance(node, cst.ClassDef | cst.FunctionDef):
            self.names.append(node.name.value)
            if isinstance(node, cst.FunctionDef):
                first = node.decorators[0] if node.decorators else node
                self.functions.append((".".join(self.names), self._line(first)))
        for changed in _changes(node):
            self._add(node, changed)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.ClassDef | cst.FunctionDef) and not self._left_alone(original_node):
            self.names.pop()
            if isinstance(original_node, cst.FunctionDef):
                self.functions.pop()

    def _left_alone(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Annotation | cst.Decorator | cst.Raise | cst.Import | cst.ImportFrom | cst.AnnAssign):
            return not (isinstance(node, cst.AnnAssign) and node.value is not None)
        if isinstance(node, cst.ClassDef):
            return any(_is_name(base.value, "Protocol") for base in node.bases)
        if isinstance(node, cst.Assign | cst.AnnAssign):
            return isinstance(node.value, cst.Subscript) and _is_name(node.value.value, "Literal")
        if isinstance(node, cst.SimpleStatementLine):
            only = node.body[0]
            return isinstance(only, cst.Expr) and isinstance(only.value, cst.SimpleString | cst.ConcatenatedString)
        return isinstance(node, cst.If) and _is_name(node.test, "TYPE_CHECKING")

    def _add(self, node: cst.CSTNode, changed: cst.CSTNode) -> None:
        function = self.functions[0] if self.functions and not self._at_definition(node) else None
        after = self.module.deep_replace(node, changed).code
        self.found.append(
            Mutant(
                file=self.file,
                function=function,
                lines=self._statement_lines(node),
                before=self.source,
                after=after,
                source=self.source,
            )
        )

    def _at_definition(self, node: cst.CSTNode) -> bool:
        """Whether a node in a function belongs to its default values, which are computed when it is defined."""
        return len(self.functions) == 1 and any(isinstance(parent, cst.Parameters) for parent in self._parents(node))

    def _statement_lines(self, node: cst.CSTNode) -> tuple[int, int]:
        for parent in (node, *self._parents(node)):
            if isinstance(parent, cst.BaseSmallStatement | cst.BaseCompoundStatement):
                where = self.get_metadata(PositionProvider, parent)
                last = self._line(parent.body) if isinstance(parent, cst.BaseCompoundStatement) else where.end.line
                return where.start.line, last
        return self._line(node), self._line(node)

    def _parents(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        while not isinstance(node, cst.Module):
            node = self.get_metadata(ParentNodeProvider, node)
            yield node

    def _line(self, node: cst.CSTNode) -> int:
        return int(self.get_metadata(PositionProvider, node).start.line)


def _changes(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from operator(node)


def _is_name(node: cst.CSTNode, name: str) -> bool:
    return isinstance(node, cst.Name | cst.Subscript) and (
        node.value == name if isinstance(node, cst.Name) else _is_name(node.value, name)
    )
