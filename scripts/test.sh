#!/usr/bin/env bash
# Builds everything and runs all tests, or the suites named as arguments (tests/run.py --list).
# The last line is the sum: N passed, N failed[, N skipped].
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh
scripts/build.sh release dev
exec /usr/bin/python3 tests/run.py "$@"
