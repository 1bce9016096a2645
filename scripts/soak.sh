#!/usr/bin/env bash
# usage: scripts/soak.sh MINUTES [JOBS] | scripts/soak.sh incidents
# Random histories of the simulation for so long, from a seed of its own; adds a line to the ledger in docs/TESTING.md.
# Ends with 1 if there was a failure; what failed, and how to see it again, is printed.
# incidents: the long forms of tests/regress instead, as often as SYNC_RECONNECTS and SYNC_POWER_CUTS say.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:?usage: scripts/soak.sh MINUTES [JOBS] | scripts/soak.sh incidents}
jobs=${2:-$(nproc)}
build=${SYNC_BUILD:-build/release}
ledger=docs/TESTING.md
if [ -z "${SYNC_BUILD:-}" ]; then
    scripts/build.sh release
fi

commit=$(git rev-parse --short HEAD)
git diff --quiet HEAD -- ext sql tests/sim || commit+="+"
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Known incidents, long: connections that break, power cuts, a link that never answers.
soak_incidents() {
    local result=passed name
    export SYNC_BUILD=$build SYNC_RECONNECTS=${SYNC_RECONNECTS:-100000} SYNC_POWER_CUTS=${SYNC_POWER_CUTS:-2000} SYNC_STALL=1
    for name in test_links_that_break test_power_lost_after_a_batch_left test_the_log_behind_a_long_reader; do
        /usr/bin/python3 "tests/regress/$name.py" || result="failed: $name"
    done
    local line="| $(date -u +%F) | \`$commit\` | $SYNC_RECONNECTS | $SYNC_POWER_CUTS | $result |"
    awk -v line="$line" '
        /^### Incidents ledger/ { within = 1 }
        within && table && !/^\|/ { print line; within = table = 0 }
        within && /^\|/ { table = 1 }
        { print }' "$ledger" >"$logs/ledger"
    cat "$logs/ledger" >"$ledger"
    echo "$line"
    [ "$result" = passed ]
}
if [ "$minutes" = incidents ]; then
    soak_incidents
    exit
fi

# Jobs far apart, and every soak somewhere else: seeds add up instead of being repeated.
first=$(($(date +%s) * 100000))
for ((job = 0; job < jobs; job++)); do
    "$build/sim/sim" --seconds $((minutes * 60)) --from $((first + job * 1000000000000)) >"$logs/$job" 2>&1 &
done
wait || true
cat "$logs"/*

# The last line of each job is its sum: "seeds A to B: N runs, F failures; S statements, W writes, M merges, C crashes; ..."
awk -v date="$(date -u +%F)" -v commit="$commit" '
    / runs, .* failures; / {
        for (i = 1; i < NF; i++) {
            if ($(i + 1) == "runs,") runs += $i
            if ($(i + 1) == "failures;") failures += $i
            if ($(i + 1) == "statements,") statements += $i
            if ($(i + 1) == "merges,") merges += $i
            if ($(i + 1) == "crashes;") crashes += $i
        }
    }
    END {
        printf "| %s | `%s` | %d | %d | %d | %d | %d |\n", date, commit, runs, statements, merges, crashes, failures
        exit runs == 0
    }' "$logs"/* >"$logs/line"
# Below the last line of the table that stands under the heading.
awk -v line="$(cat "$logs/line")" '
    /^## Soak ledger/ { within = 1 }
    within && table && !/^\|/ { print line; within = table = 0 }
    within && /^\|/ { table = 1 }
    { print }
    END { if (within) print line }' "$ledger" >"$logs/ledger"
cat "$logs/ledger" >"$ledger"
cat "$logs/line"
! grep -q '^seed ' "$logs"/[0-9]*
