#!/usr/bin/env bash
# Builds the presets named as arguments; quiet unless something fails.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
for preset in "$@"; do
    echo "Building $preset"
    log=build/$preset.log
    if ! { cmake --preset "$preset" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
        cat "$log" >&2
        echo "The build of $preset failed; the log is $log." >&2
        exit 1
    fi
done
