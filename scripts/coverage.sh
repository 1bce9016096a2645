#!/usr/bin/env bash
# usage: scripts/coverage.sh [SUITE...]
# Branch coverage of ext/ and peer/ per file, lowest first: by the suites named, or by all that show something of it,
# by seeds of the simulation and by faults. build/cov/coverage.txt keeps the table, coverage.html the branches not taken.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/cov
command -v gcovr >/dev/null || { echo "gcovr is missing (apt install gcovr)" >&2; exit 1; }
scripts/build.sh cov
find "$build" -name '*.gcda' -delete
# Tests that act as another user cannot write counts, and say so on stderr, where they look for other things.
export GCOV_ERROR_FILE=/dev/null
if [ $# -gt 0 ]; then
    /usr/bin/python3 tests/run.py --build "$build" "$@" >"$build/suites.log" || tail -n 1 "$build/suites.log"
else
    /usr/bin/python3 tests/run.py --build "$build" unit sql e2e regress >"$build/suites.log" || tail -n 1 "$build/suites.log"
    # One process for each: a range runs in children that end without writing their counts.
    for ((seed = 1; seed <= 300; seed++)); do
        "$build/sim/sim" "$seed" >"$build/sim.log" || tail -n 1 "$build/sim.log"
    done
    for kind in memory io short full busy outside; do
        stride=7
        [ $kind != memory ] || stride=151
        "$build/fault/sweep" --seed 1 --stride $stride all $kind >"$build/sweep.log" || tail -n 3 "$build/sweep.log"
    done
fi
gcovr --root . --object-directory "$build" --filter ext/ --filter peer/ --branches --sort-percentage \
    --txt "$build/coverage.txt" --html-details "$build/coverage.html" "$build"
cat "$build/coverage.txt"
