"""A check's report: what it must hold, as JSON."""

import json
import re
from types import MappingProxyType

from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.evidence import SCHEMA, evidence


def test_a_report_is_complete_json():
    items = (MappingProxyType({"name": "one", "passed": True}), {"name": "two", "passed": False})
    result = evidence(
        claim="It holds.",
        command="python -m x",
        seconds=1.26,
        passed=False,
        figures=MappingProxyType({"count": 2}),
        items=items,
    )
    assert json.loads(json.dumps(result)) == result
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", result.pop("date"))
    assert result == {
        "schema": SCHEMA,
        "claim": "It holds.",
        "command": "python -m x",
        "seconds": 1.3,
        "passed": False,
        "figures": {"count": 2},
        "items": [{"name": "one", "passed": True}, {"name": "two", "passed": False}],
        **environment(),
    }
