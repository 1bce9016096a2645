#!/usr/bin/env bash
# usage: scripts/coverage.sh [SUITE...]
# Branch coverage of ext/ and peer/ per file, lowest first: by the suites named, or by all that show something of it,
# by seeds of the simulation and by faults. build/cov/coverage.txt keeps the table, coverage.html the branches not taken.
# Ends with the files of the engine of which less than 95 % are taken; docs/TESTING.md has the reasons.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/cov
wanted=95
command -v gcovr >/dev/null || { echo "gcovr is missing (apt install gcovr)" >&2; exit 1; }
scripts/build.sh cov
find "$build" -name '*.gcda' -delete
# Tests that act as another user cannot write counts, and say so on stderr, where they look for other things.
export GCOV_ERROR_FILE=/dev/null
if [ $# -gt 0 ]; then
    /usr/bin/python3 tests/run.py --build "$build" "$@" >"$build/suites.log" || tail -n 1 "$build/suites.log"
else
    /usr/bin/python3 tests/run.py --build "$build" unit sql e2e regress fuzz convergence >"$build/suites.log" || tail -n 1 "$build/suites.log"
    # One process for each: a range runs in children that end without writing their counts.
    for ((seed = 1; seed <= 300; seed++)); do
        "$build/sim/sim" "$seed" >"$build/sim.log" || tail -n 1 "$build/sim.log"
    done
    # Each place of the engine, once and for ever. Memory is missing alike with either journal.
    "$build/fault/sweep" --places 1 all memory all wal >"$build/sweep.log" || tail -n 3 "$build/sweep.log"
    for kind in io short full busy outside bind; do
        "$build/fault/sweep" --places 1 all $kind >"$build/sweep.log" || tail -n 3 "$build/sweep.log"
    done
fi
gcovr --root . --object-directory "$build" --filter ext/ --filter peer/ --branches --sort-percentage \
    --txt "$build/coverage.txt" --html-details "$build/coverage.html" --csv "$build/coverage.csv" "$build"
cat "$build/coverage.txt"
# filename,line_total,line_covered,line_percent,branch_total,branch_covered,...
awk -F, -v wanted=$wanted '
    $1 ~ /^ext\// && $5 > 0 {
        all += $5; taken += $6
        if ($6 * 100 < $5 * wanted) below[++n] = sprintf("%-24s %5.1f %%  %3d of %d not taken", $1, $6 * 100 / $5, $5 - $6, $5)
    }
    END {
        printf "\next/: %.1f %% of %d branches taken", taken * 100 / all, all
        if (n == 0) print "; no file below " wanted " %"
        else { print "; below " wanted " %:"; for (i = n; i >= 1; i--) print "    " below[i] }
    }' "$build/coverage.csv" | tee -a "$build/coverage.txt"
