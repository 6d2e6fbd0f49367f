"""JSON documents checked against a schema."""

import os
from collections.abc import Mapping
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.document_kinds import refuse_other_kinds, refuse_without_schema
from qse_hw.golden.io.files import read_json


def check_schema(document: Any, schema: dict[str, Any], where: str) -> None:
    """InputError, which begins with ``where`` and names the place, unless ``document`` satisfies the JSON schema."""
    from jsonschema import Draft202012Validator  # imported here: it takes long, and most callers read no JSON
    from jsonschema.exceptions import best_match

    try:
        problem = best_match(Draft202012Validator(schema).iter_errors(document))
    except RecursionError:
        raise InputError(f"{where}: document must not be nested so deeply") from None
    if problem is not None:
        place = "/".join(str(step) for step in problem.absolute_path) or "document"
        message = problem.message  # begins with the value, however long, and ends with the rule
        shown = message if len(message) < 200 else f"{message[:90]} ... {message[-100:]}"
        raise InputError(f"{where}: {place}: {shown}")


def checked_document(
    path: str | os.PathLike[str], where: str, schema: dict[str, Any], earlier: Mapping[str, str] | None = None
) -> Any:
    """The JSON document in a file, checked; its ``schema`` property must have the constant that the schema requires.

    Args:
        path: the file.
        where: what messages begin with.
        schema: of the document.
        earlier: names of schemas before this one that are refused, with the remedy.

    Raises:
        InputError: which begins with ``where``, if the file cannot be read or breaks the schema.
    """
    document = read_json(path, where, parse_constant=_refuse)
    name = schema["properties"]["schema"]["const"]
    kind = name.split("/")[1]
    refuse_other_kinds(document, where, kind)
    refuse_without_schema(document, where, kind)
    for old, remedy in (earlier or {}).items():
        if isinstance(document, dict) and document.get("schema") == old:
            raise InputError(f"{where}: schema must be {name}, not the earlier {old}; {remedy}")
    check_schema(document, schema, where)
    return document


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")
