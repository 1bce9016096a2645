"""A strict reader of Prometheus' text format 0.0.4. Written from its specification, not from the C sources."""
import math
import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{((?:{_LABEL}(?:,(?!\}}))?)+)\}})? (\S+)")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|Inf)|NaN")
_ESCAPES = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}


class Malformed(Exception):
    pass


class Family:
    def __init__(self, name, kind):
        self.name = name
        self.kind = kind
        self.samples = {}  # (name, ((label, value), ...) sorted) -> number


def _family_of(name, families):
    for suffix in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(suffix)
        if base != name and base in families and families[base].kind == "histogram":
            return families[base]
    return families.get(name)


def _check_histogram(family):
    bounds = [(float(dict(labels)["le"]), value) for (name, labels), value in family.samples.items() if name.endswith("_bucket")]
    values = [value for _, value in bounds]
    if bounds != sorted(bounds) or values != sorted(values) or bounds[-1][0] != math.inf:
        raise Malformed(f"{family.name}: buckets {bounds}")
    if family.samples[(family.name + "_count", ())] != values[-1]:
        raise Malformed(f"{family.name}: its count is not that of the last bucket")


def read(text):
    """{name: Family}; Malformed where the text is not as the format and its customs want it."""
    families, helps, current = {}, set(), None
    if not text.endswith("\n"):
        raise Malformed("the last line has no end")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            if name in helps or len(line.split(" ")) < 4:
                raise Malformed(line)
            helps.add(name)
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in families or name not in helps or kind not in ("counter", "gauge", "histogram"):
                raise Malformed(line)
            if (kind == "counter") != name.endswith("_total"):
                raise Malformed(f"{name} is a {kind}")
            current = families[name] = Family(name, kind)
            continue
        found = _SAMPLE.fullmatch(line)
        if not found or not _NUMBER.fullmatch(found.group(5)):
            raise Malformed(line)
        labels = tuple(sorted((name, re.sub(r'\\["\\n]', lambda m: _ESCAPES[m.group()], value)) for name, value in re.findall(_LABEL, found.group(2) or "")))
        if _family_of(found.group(1), families) is not current or current is None:
            raise Malformed(f"not in its family: {line}")
        if (found.group(1), labels) in current.samples:
            raise Malformed(f"twice: {line}")
        current.samples[(found.group(1), labels)] = float(found.group(5))
    for family in families.values():
        if family.kind == "histogram":
            _check_histogram(family)
    return families


def value(families, name, **labels):
    """The sample of that name with exactly these labels; None: there is none."""
    family = _family_of(name, families)
    return family.samples.get((name, tuple(sorted(labels.items())))) if family else None


def counters(families):
    """All that may only grow: {(name, labels): number}."""
    return {key: number for family in families.values() if family.kind != "gauge" for key, number in family.samples.items()}
