"""JSON files that calibrations are kept in: checked against a schema, and the scales in them."""

import os
from typing import Any

from golden.errors import InputError
from golden.files import read_json
from golden.kinds import refuse_other_kinds
from golden.scale import Scale

SCALE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["M", "k", "bits"],
    "additionalProperties": False,
    "properties": {"M": {"type": "integer"}, "k": {"type": "integer"}, "bits": {"type": "integer"}},
}


def checked_document(path: str | os.PathLike[str], where: str, schema: dict[str, Any]) -> Any:
    """The JSON document in a file, checked; InputErrors begin with ``where``."""
    from jsonschema import Draft202012Validator  # only who reads JSON pays for the import
    from jsonschema.exceptions import best_match

    document = read_json(path, where, parse_constant=_refuse)
    refuse_other_kinds(document, where, schema["properties"]["schema"]["const"].split("/")[1])
    problem = best_match(Draft202012Validator(schema).iter_errors(document))
    if problem is not None:
        place = "/".join(str(part) for part in problem.absolute_path) or "document"
        message = problem.message  # begins with the value, however long, and ends with the rule
        raise InputError(f"{where}: {place}: {message if len(message) < 200 else f'... {message[-100:]}'}")
    return document


def scale_from_json(document: dict[str, Any], where: str) -> Scale:
    """A scale; InputErrors begin with ``where``."""
    try:
        return Scale(**{name: int(value) for name, value in document.items()})
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")
