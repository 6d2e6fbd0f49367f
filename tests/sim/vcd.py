"""Reading value change dumps."""

import re


def read_vcd(text):
    """{scope.signal: [(time, value as text), ...]}."""
    head, _, body = text.partition("$enddefinitions $end")
    scopes, names, changes = [], {}, {}
    for word, rest in re.findall(r"\$(scope|upscope|var)\s+(.*?)\$end", head, re.DOTALL):
        if word == "scope":
            scopes.append(rest.split()[1])
        elif word == "upscope":
            scopes.pop()
        else:
            _, _, code, name = rest.split()[:4]
            changes[".".join([*scopes, name])] = names.setdefault(code, [])
    time = 0
    for line in body.split("\n"):
        if line[:1] == "#":
            time = int(line[1:])
        elif line[:1] == "b":
            value, code = line[1:].split()
            names[code].append((time, value))
        elif line[:1] in ("0", "1", "x", "z"):
            names[line[1:].strip()].append((time, line[0]))
    return changes
