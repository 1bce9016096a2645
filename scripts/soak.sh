#!/usr/bin/env bash
# usage: scripts/soak.sh MINUTES [JOBS] | incidents | faults [STRIDE] | kill [KILLS] | fuzz MINUTES | mutate [FILES]
# Random histories of the simulation for so long, from a seed of its own; adds a line to the ledger in docs/TESTING.md.
# Ends with 1 if there was a failure; what failed, and how to see it again, is printed.
# incidents: the long forms of tests/regress instead, as often as SYNC_RECONNECTS and SYNC_POWER_CUTS say.
# faults: every call that can fail fails (with a stride: each so many, from another one each time). kill: so many programs are killed under load.
# mutate: so many damaged database files.
# fuzz: libFuzzer, so many minutes shared among the targets; inputs that were worth keeping stay in build/fuzz-corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:?usage: scripts/soak.sh MINUTES [JOBS] | incidents | faults [STRIDE] | kill [KILLS] | fuzz MINUTES | mutate [FILES]}
jobs=${2:-$(nproc)}
build=${SYNC_BUILD:-$PWD/build/release}
ledger=docs/TESTING.md
if [ -z "${SYNC_BUILD:-}" ] && [ "$minutes" != fuzz ]; then
    scripts/build.sh release
fi

commit=$(git rev-parse --short HEAD)
git diff --quiet HEAD -- ext sql peer tests || commit+="+"
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# A line for the ledger: below the last one of the table that stands under the heading.
enter() { # heading, line
    awk -v heading="$1" -v line="$2" '
        index($0, heading) == 1 { within = 1 }
        within && table && !/^\|/ { print line; within = table = 0 }
        within && /^\|/ { table = 1 }
        { print }
        END { if (within) print line }' "$ledger" >"$logs/ledger"
    cat "$logs/ledger" >"$ledger"
    echo "$2"
}

# Known incidents, long: connections that break, power cuts, a link that never answers.
soak_incidents() {
    local result=passed name quiet
    export SYNC_BUILD=$build SYNC_RECONNECTS=${SYNC_RECONNECTS:-100000} SYNC_POWER_CUTS=${SYNC_POWER_CUTS:-2000} SYNC_STALL=1
    export SYNC_SEED=${SYNC_SEED:-$(date +%s)}
    for name in test_links_that_break test_power_lost_after_a_batch_left test_the_log_behind_a_long_reader; do
        /usr/bin/python3 "tests/regress/$name.py" | tee "$logs/$name" || result="failed: $name"
    done
    quiet=$(sed -n 's/.* equal \([0-9.]*\) s after it was quiet$/\1/p' "$logs/test_links_that_break")
    enter "### Incidents ledger" "| $(date -u +%F) | \`$commit\` | $SYNC_SEED | $SYNC_RECONNECTS | ${quiet:-never} | $SYNC_POWER_CUTS | $result |"
    [ "$result" = passed ]
}

# Every operation, each kind of fault: two at a time.
soak_faults() {
    local stride=$1 seed=$RANDOM kind
    (
        cd "$logs"
        printf '%s\n' memory io short full busy outside bind |
            xargs -P 2 -I{} sh -c '"$0" --seed "$1" --stride "$2" all {} >"$3/{}"; cat "$3/{}"' "$build/fault/sweep" "$seed" "$stride" "$logs"
    )
    local provoked failures
    provoked=$(sed -n 's/^seed .*: \([0-9]*\) faults, .*/\1/p' "$logs"/[a-z]* | awk '{ n += $1 } END { print n + 0 }')
    failures=$(grep -ch '^FAILED' "$logs"/[a-z]* | awk '{ n += $1 } END { print n + 0 }')
    for kind in memory io short full busy outside bind; do
        grep -q '^seed ' "$logs/$kind" || failures=$((failures + 1)) # it did not come to its end
    done
    enter "### Faults ledger" "| $(date -u +%F) | \`$commit\` | $seed, stride $stride | $provoked | $failures |"
    [ "$failures" -eq 0 ]
}

# Runs of 25, each with a seed of its own.
soak_kill() {
    local kills=$1 seed first killed=0 transactions=0 failures=0
    first=$(date +%s)
    export SYNC_BUILD=$build
    for ((seed = first; killed < kills; seed++)); do
        if /usr/bin/python3 tests/fault/kill.py "$seed" 25 >"$logs/kill"; then
            transactions=$((transactions + $(sed -n 's/.* kills, \([0-9]*\) transactions.*/\1/p' "$logs/kill")))
        else
            failures=$((failures + 1))
        fi
        killed=$((killed + 25))
        cat "$logs/kill"
    done
    enter "### Kill ledger" "| $(date -u +%F) | \`$commit\` | $first to $((seed - 1)) | $killed | $transactions | $failures |"
    [ "$failures" -eq 0 ]
}

# The fuzz targets, one after the other. A line in the ledger for each: what libFuzzer says it executed, and the files it left of what it found.
soak_fuzz() {
    local seconds=$(($1 * 60)) seed=${SYNC_SEED:-$(date +%s)} build=${SYNC_FUZZ_BUILD:-build/fuzz} corpus=build/fuzz-corpus programs target executions found status=0
    [ -n "${SYNC_FUZZ_BUILD:-}" ] || scripts/build.sh fuzz
    programs=("$build"/fuzz/fuzz_*)
    seconds=$((seconds / (${#programs[@]} - 1)))
    mkdir -p "$corpus/found"
    "$build/fuzz/fuzz_seeds" "$corpus/seeds" || return 1
    for target in "${programs[@]#*/fuzz_}"; do
        [ "$target" != seeds ] || continue
        mkdir -p "$corpus/$target"
        # One process, so that its count is the whole; leaks are looked for in the suite's run of the same targets.
        ASAN_OPTIONS=quarantine_size_mb=4:malloc_context_size=5:detect_leaks=0 "$build/fuzz/fuzz_$target" \
            -seed="$seed" -max_total_time="$seconds" -print_final_stats=1 -timeout=60 -report_slow_units=60 -max_len=4000 \
            -dict=tests/fuzz/fuzz.dict -artifact_prefix="$corpus/found/$target-" "$corpus/$target" "$corpus/seeds/$target" \
            $([ ! -d "tests/fuzz/findings/$target" ] || echo "tests/fuzz/findings/$target") >"$logs/$target" 2>&1 || status=1
        executions=$(awk '/stat::number_of_executed_units/ { print $2 }' "$logs/$target")
        [ -n "$executions" ] || status=1
        found=$(find "$corpus/found" -name "$target-*" -newer "$logs" | wc -l)
        [ "$found" = 0 ] || tail -n 60 "$logs/$target"
        enter "### Fuzz ledger" "| $(date -u +%F) | \`$commit\` | $target | ${executions:-0} | $found | $seed |"
    done
    return $status
}

# Damaged files from seeds that no soak has had before, in two ranges at once. What they say last is their sum:
# "seeds A to B: N files, F findings; R results, E errors, of those W for want ...; L files endless for plain SQL; ..."
soak_mutate() {
    local files=$1 first status=0 half
    first=$(($(date +%s) * 100000))
    half=$(((files + 1) / 2))
    "$build/fuzz/mutate" --seeds "$first" $((first + half - 1)) >"$logs/low" 2>&1 &
    "$build/fuzz/mutate" --seeds $((first + half)) $((first + files - 1)) >"$logs/high" 2>&1 || status=1
    wait $! || status=1
    cat "$logs/low" "$logs/high"
    enter "### Mutated files ledger" "$(awk -v date="$(date -u +%F)" -v commit="$commit" -v first="$first" '
        / files, .* findings; / {
            for (i = 1; i < NF; i++) {
                if ($(i + 1) == "files,") files += $i
                if ($(i + 1) == "findings;") findings += $i
                if ($(i + 1) == "results,") results += $i
                if ($(i + 1) == "errors,") errors += $i
                if ($(i + 1) == "for" && $(i + 2) == "want") refused += $i
                if ($(i + 1) == "files" && $(i + 2) == "endless") endless += $i
            }
        }
        END {
            printf "| %s | `%s` | %s | %d | %d | %d | %d | %d | %d |", date, commit, first, files, results, errors, refused, endless, findings
        }' "$logs/low" "$logs/high")"
    return $status
}

case $minutes in
incidents) soak_incidents && exit ;;
faults) soak_faults "${2:-1}" && exit ;;
kill) soak_kill "${2:-1000}" && exit ;;
mutate) soak_mutate "${2:-100000}" && exit ;;
fuzz) soak_fuzz "${2:?usage: scripts/soak.sh fuzz MINUTES}" && exit ;;
esac
case $minutes in *[!0-9]*) exit 1 ;; esac

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
            if ($i == "seeds") seeds = seeds (seeds ? ", " : "") $(i + 1) " to " substr($(i + 3), 1, length($(i + 3)) - 1)
            if ($(i + 1) == "runs,") runs += $i
            if ($(i + 1) == "failures;") failures += $i
            if ($(i + 1) == "statements,") statements += $i
            if ($(i + 1) == "merges,") merges += $i
            if ($(i + 1) == "crashes;") crashes += $i
        }
    }
    END {
        printf "| %s | `%s` | %d | %d | %d | %d | %d | %s |\n", date, commit, runs, statements, merges, crashes, failures, seeds
        exit runs == 0
    }' "$logs"/* >"$logs/line"
enter "## Soak ledger" "$(cat "$logs/line")"
! grep -q '^seed ' "$logs"/[0-9]*
