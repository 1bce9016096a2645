#!/usr/bin/env bash
# usage: scripts/analyze.sh [all|cppcheck|gcc|clang-tidy|valgrind|tsan]...
# ext/ and peer/ read by analyzers and run under checkers, as TAP: one line each, findings below it.
# Without arguments cppcheck and gcc -fanalyzer, which take less than a minute. Ends with 1 if there is a finding.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=${SYNC_BUILD:-build/dev} # for what is made by building, and for how each file is compiled
jobs=${SYNC_JOBS:-$(nproc)}
sources=(ext/*.c peer/*.c)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
number=0

report() { # name; what it said is in $out/name
    number=$((number + 1))
    if [ -s "$out/$1" ]; then
        echo "not ok $number - $1"
        sed 's/^/#   /' "$out/$1"
        failed=1
    else
        echo "ok $number - $1 has nothing to say"
    fi
}

missing() { # name, command
    command -v "$2" >/dev/null && return 1
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2 is not installed"
}

run_cppcheck() {
    missing cppcheck cppcheck && return
    cppcheck --enable=warning,performance,portability --std=c11 -D_GNU_SOURCE= -DSYNC_PROGRAM_VERSION='""' -I ext -I peer \
        -I "$build/gen" -j "$jobs" -q ext peer >"$out/cppcheck" 2>&1 ||
        echo "it ended with an error" >>"$out/cppcheck"
    report cppcheck
}

# As in the build, without its sanitizers: they change what the analyzer sees.
run_gcc() {
    missing "gcc -fanalyzer" gcc && return
    printf '%s\n' "${sources[@]}" | xargs -P "$jobs" -I{} gcc -std=c11 -O1 -fanalyzer -D_GNU_SOURCE= -DSQLITE_CORE \
        -DSYNC_PROGRAM_VERSION='""' -iquote ext -iquote peer -iquote "$build/gen" -c {} -o /dev/null \
        >"$out/gcc -fanalyzer" 2>&1 || echo "it ended with an error" >>"$out/gcc -fanalyzer"
    report "gcc -fanalyzer"
}

# One file in each run, and one way to compile it: of several it takes every va_list after the first for uninitialized.
run_clang_tidy() {
    missing clang-tidy clang-tidy && return
    /usr/bin/python3 -c 'import json, sys; json.dump(list({e["file"]: e for e in json.load(sys.stdin)}.values()), sys.stdout)' \
        <"$build/compile_commands.json" >"$out/compile_commands.json"
    printf '%s\n' "${sources[@]}" | xargs -P "$jobs" -n 1 clang-tidy -p "$out" --quiet 2>"$out/noise" >"$out/clang-tidy" ||
        tail -n 3 "$out/noise" >>"$out/clang-tidy" # also where it crashed, and found nothing
    report clang-tidy
}

run_valgrind() {
    missing valgrind valgrind && return
    scripts/build.sh release >/dev/null || exit 1
    local program
    : >"$out/valgrind"
    export CMOCKA_MESSAGE_OUTPUT=TAP
    for program in build/release/unit/test_*; do
        valgrind -q --leak-check=full --show-leak-kinds=definite,indirect,possible --error-exitcode=99 "$program" \
            >"$out/program" 2>&1 || cat "$out/program" >>"$out/valgrind"
        sed -n 's/.*# SKIP /#   under Valgrind skipped: /p' "$out/program"
    done
    report valgrind
}

run_tsan() {
    scripts/build.sh tsan >/dev/null || exit 1
    : >"$out/ThreadSanitizer"
    /usr/bin/python3 tests/run.py --build build/tsan e2e >"$out/e2e" 2>&1 || mv "$out/e2e" "$out/ThreadSanitizer"
    report ThreadSanitizer
}

[ $# -gt 0 ] || set -- cppcheck gcc
[ "$1" != all ] || set -- cppcheck gcc clang-tidy valgrind tsan
[ -d "$build/gen" ] || scripts/build.sh dev >/dev/null || exit 1
echo "1..$#"
for name in "$@"; do
    case $name in
    cppcheck | gcc | valgrind | tsan) "run_$name" ;;
    clang-tidy) run_clang_tidy ;;
    *)
        sed -n 2p "$0" >&2
        exit 2
        ;;
    esac
done
exit "$failed"
