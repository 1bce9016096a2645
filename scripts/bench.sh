#!/usr/bin/env bash
# Measures speed and size against plain SQLite in the same run, in a loop in C and through Python, then adopting, then peers on loopback; docs/BENCHMARKS.md explains.
# usage: scripts/bench.sh [--quick] [--no-peers] [options of the engine's benchmark, such as --against NAME=PATH]
#        scripts/bench.sh --side-by-side NAME=PATH [--quick]: the engine's benchmark alone, against another extension; table and plot go into docs/
# The figures also go to build/bench-engine.json, build/bench-python.json, build/bench-adopt.json and build/bench-peers.json.
set -euo pipefail
cd "$(dirname "$0")/.."

engine=()
python=()
adopt=()
peers=()
with_peers=1
side_by_side=0
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        sed -n '2,5s/^# //p' "$0"
        exit 0
        ;;
    --quick)
        engine+=(--rows 20000 --runs 3 --transactions 500 --adopt-rows 100000 --scenes 5)
        python+=(--rows 20000 --runs 3)
        adopt+=(--rows 100000 --runs 3)
        peers+=(--commits 100 --seconds 3 --backlog 100000 --members 200 --rooms 20)
        ;;
    --no-peers) with_peers=0 ;;
    --side-by-side)
        side_by_side=1
        engine+=(--runs 3 --against "${2:?--side-by-side NAME=PATH}")
        shift
        ;;
    *) engine+=("$1") ;;
    esac
    shift
done

TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

scripts/deps.sh
scripts/build.sh release
build/release/bench/bench build/release/sync_ext.so --json build/bench-engine.json "${engine[@]}"
if [ $side_by_side = 1 ]; then
    /usr/bin/python3 tests/bench/compare.py build/bench-engine.json --into docs/BENCHMARKS.md --plot docs/side-by-side.svg
    exit
fi
/usr/bin/python3 tests/bench/executemany.py build/release/sync_ext.so --json build/bench-python.json "${python[@]}"
echo
/usr/bin/python3 tests/bench/adopt.py --json build/bench-adopt.json "${adopt[@]}"
if [ $with_peers = 1 ]; then
    echo
    /usr/bin/python3 tests/bench/peers.py --json build/bench-peers.json "${peers[@]}"
fi
