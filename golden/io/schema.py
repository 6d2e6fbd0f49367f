"""JSON files that calibrations are kept in: checked against a schema, and the scales in them."""

import os
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import read_json
from qse_hw.golden.io.kinds import refuse_other_kinds


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


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")
