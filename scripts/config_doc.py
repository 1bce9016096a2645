#!/usr/bin/env python3
"""Prints docs/CONFIG.md, made from peer/config.schema.json. usage: scripts/config_doc.py >docs/CONFIG.md"""
import json
from pathlib import Path

HEAD = """# Configuration

What `sync-peer serve --config FILE` reads. Made from [config.schema.json](../peer/config.schema.json) by `scripts/config_doc.py`; `sync-peer check-config --schema` prints that schema,
`sync-peer check-config FILE` says what is wrong with a file and where. A key that is not listed here is an error.

```json
{
    "listen": "127.0.0.1:7420",
    "dbFolder": "/var/lib/sync-peer",
    "schemaFolder": "/etc/sync-peer/schema",
    "create": true,
    "rooms": [{ "name": "archive-*", "create": false }],
    "limits": { "openRooms": 100 }
}
```
"""


def type_of(schema):
    kinds = schema.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = " or ".join(kinds)
    if "enum" in schema:
        words += ": " + ", ".join(f'`"{one}"`' for one in schema["enum"])
    if "minimum" in schema:
        words += f", {schema['minimum']} to {schema['maximum']}"
    if "pattern" in schema:
        words += ", `" + schema["pattern"].replace("|", "\\|") + "`"
    if "maxLength" in schema:
        words += f", at most {schema['maxLength']} bytes"
    return words


def table(schema, place, lines):
    required = schema.get("required", [])
    lines += [f"\n## {place}\n", "| key | type | default | meaning |", "|---|---|---|---|"]
    deeper = []
    for key, one in schema["properties"].items():
        default = "must be given" if key in required else f"`{json.dumps(one['default'])}`" if "default" in one else ""
        lines.append(f"| `{key}` | {type_of(one)} | {default} | {one.get('description', '')} |")
        if "properties" in one:
            deeper.append((one, f"`{key}`" + (f" of {place[0].lower()}{place[1:]}" if place.startswith("Each of ") else "")))
        elif "properties" in one.get("items", {}):
            deeper.append((one["items"], f"Each of `{key}`"))
    for one, name in deeper:
        table(one, name, lines)


def main():
    schema = json.loads((Path(__file__).resolve().parents[1] / "peer" / "config.schema.json").read_text(encoding="utf-8"))
    lines = []
    table(schema, "The whole", lines)
    print(HEAD + "\n".join(lines))


if __name__ == "__main__":
    main()
