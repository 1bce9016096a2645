#!/usr/bin/env bash
# Checks that every bound of the limits headers and of `limits` in the configuration has a test at n and n + 1, or a reason in docs/LIMITS.md, as TAP.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
exec /usr/bin/python3 tests/lib/limits.py
