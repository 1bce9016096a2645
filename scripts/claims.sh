#!/usr/bin/env bash
# Runs every test that the claims ledger in docs/TESTING.md names, and writes result, date and commit into it.
# Ends with 1 if one of them failed.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${SYNC_BUILD:-}" ]; then
    scripts/deps.sh
    scripts/build.sh release
fi
exec /usr/bin/python3 tests/lib/claims.py
