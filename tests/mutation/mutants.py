"""The mutants of a Python file: one small fault each, made by mutmut's operators.

mutmut itself skips every decorated function and all module-level code, so it would pass over cached properties, cached
tables and constants, which are the heart of golden; hence only its operators are used. Not mutated, because no test of
behaviour could or should see it: docstrings, annotations, decorators, type definitions, ``Protocol`` bodies, the
``strict`` of zip (an assertion of equal lengths), and what ``raise`` says (texts of errors; whether one is raised is
mutated, in the condition before it).
"""

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider, WhitespaceInclusivePositionProvider
from mutmut.mutation.mutators import mutation_operators


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One fault in ``file`` (path from the root), whose text with the fault is ``source``.

    ``function`` is the outermost function that contains it, as (qualified name, first line, decorators included), or
    None for code that runs when the module is imported. ``lines`` are the statement's first and last (of a compound
    statement the head's). ``diff`` is what changes, with a line around; ``key`` names the mutant, and stays when other
    functions of the file change.
    """

    key: str
    file: str
    function: tuple[str, int] | None
    lines: tuple[int, int]
    diff: str
    source: str

    @property
    def place(self) -> str:
        """The function's name, or ``<module>``."""
        return self.function[0] if self.function else "<module>"


def mutants(file: str, source: str) -> list[Mutant]:
    """All mutants of ``source``, in its order; two that are the same text count once."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    finder = _Finder(source, wrapper.module)
    wrapper.visit(finder)
    by_source: dict[str, Mutant] = {}
    seen: Counter[str] = Counter()
    for function, lines, changed in finder.changes:
        if changed == source or changed in by_source:
            continue
        diff = _diff(source, changed)
        name = "\0".join((file, function[0] if function else "", diff))
        seen[name] += 1
        key = hashlib.sha256(f"{name}\0{seen[name]}".encode()).hexdigest()[:12]
        by_source[changed] = Mutant(key=key, file=file, function=function, lines=lines, diff=diff, source=changed)
    return list(by_source.values())


def _diff(before: str, after: str) -> str:
    old, new = ([line.strip() for line in text.splitlines()] for text in (before, after))
    lines = difflib.unified_diff(old, new, n=1, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider, WhitespaceInclusivePositionProvider)

    def __init__(self, source: str, module: cst.Module) -> None:
        super().__init__()
        self.module, self.source = module, source
        self.line_starts = [0, *accumulate(len(line) for line in source.splitlines(keepends=True))]
        self.names: list[str] = []
        self.functions: list[tuple[str, int]] = []
        self.changes: list[tuple[tuple[str, int] | None, tuple[int, int], str]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _left_alone(node):
            return False
        if isinstance(node, cst.ClassDef | cst.FunctionDef):
            self.names.append(node.name.value)
        if isinstance(node, cst.FunctionDef):
            first = node.decorators[0] if node.decorators else node
            self.functions.append((".".join(self.names), self._line(first)))
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                for changed in operator(node):
                    if not (isinstance(changed, cst.Call) and _without_strict(changed) == _without_strict(node)):
                        self._add(node, changed)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if _left_alone(original_node):
            return
        if isinstance(original_node, cst.ClassDef | cst.FunctionDef):
            self.names.pop()
        if isinstance(original_node, cst.FunctionDef):
            self.functions.pop()

    def _add(self, node: cst.CSTNode, changed: cst.CSTNode) -> None:
        span = self.get_metadata(WhitespaceInclusivePositionProvider, node)
        begin, end = (self.line_starts[at.line - 1] + at.column for at in (span.start, span.end))
        text = self.source[:begin] + self.module.code_for_node(changed) + self.source[end:]
        function = self.functions[0] if self.functions and not self._is_default(node) else None
        self.changes.append((function, self._lines(node), text))

    def _is_default(self, node: cst.CSTNode) -> bool:
        """Whether a node in a function belongs to its default values, which are computed when it is defined."""
        return len(self.functions) == 1 and any(isinstance(parent, cst.Parameters) for parent in self._around(node))

    def _lines(self, node: cst.CSTNode) -> tuple[int, int]:
        for around in self._around(node):
            if isinstance(around, cst.BaseCompoundStatement):
                return self._line(around), self._line(around.body)
            if isinstance(around, cst.BaseSmallStatement):
                break
        where = self.get_metadata(PositionProvider, around)
        return where.start.line, where.end.line

    def _around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        yield node
        while not isinstance(node, cst.Module):
            node = self.get_metadata(ParentNodeProvider, node)
            yield node

    def _line(self, node: cst.CSTNode) -> int:
        return int(self.get_metadata(PositionProvider, node).start.line)


def _left_alone(node: cst.CSTNode) -> bool:
    match node:
        case cst.Annotation() | cst.Decorator() | cst.Raise() | cst.Import() | cst.ImportFrom():
            return True
        case cst.ClassDef():
            return any(_named(base.value, "Protocol") for base in node.bases)
        case cst.If():
            return _named(node.test, "TYPE_CHECKING")
        case cst.Assign() | cst.AnnAssign():
            return isinstance(node.value, cst.Subscript) and _named(node.value.value, "Literal")
        case cst.Arg():
            return node.keyword is not None and node.keyword.value == "strict"
        case cst.Expr():
            return isinstance(node.value, cst.SimpleString | cst.ConcatenatedString)  # a docstring
    return False


def _without_strict(call: cst.BaseExpression) -> list[str]:
    """The function and the arguments of a call, without the ``strict`` of zip."""
    if not isinstance(call, cst.Call):
        return []
    code = cst.Module([]).code_for_node
    kept = (arg.with_changes(comma=cst.MaybeSentinel.DEFAULT) for arg in call.args if not _left_alone(arg))
    return [code(call.func), *map(code, kept)]


def _named(node: cst.CSTNode, name: str) -> bool:
    return isinstance(node, cst.Name) and node.value == name
