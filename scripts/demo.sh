#!/usr/bin/env bash
# Shows the main job: two ordinary files, written by programs that know nothing of us, become equal and stay equal.
# usage: scripts/demo.sh [your.db]     works on a copy of your.db, or on a small database of its own
set -euo pipefail

if [ $# -gt 1 ] || [[ ${1-} == -* ]]; then
    sed -n '2,3s/^# //p' "$0"
    [[ ${1-} == -h || ${1-} == --help ]] && exit 0
    exit 2
fi
yours=${1:+$(realpath "$1")}
if [ -n "$yours" ] && [ ! -r "$yours" ]; then
    echo "$yours cannot be read" >&2
    exit 1
fi
cd "$(dirname "$0")/.."

scripts/deps.sh
echo "Building"
mkdir -p build
if ! { cmake --preset release && cmake --build --preset release --target sync_ext sync-peer; } >build/demo.log 2>&1; then
    tail -n 30 build/demo.log >&2
    exit 1
fi
peer=$PWD/build/release/sync-peer

dir=$(mktemp -d)
pids=()
clean_up() {
    local pid
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$dir"

step=0
say() {
    step=$((step + 1))
    printf '\n%d. %s\n' "$step" "$*"
}

# The stock shell, without the extension. What it is told to do is shown.
sql() { # file, statement
    printf '   sqlite3 %s "%s"\n' "$1" "$2"
    sqlite3 -cmd ".timeout 5000" "$1" "$2" </dev/null | sed 's/^/      /'
}

quietly() { # file, statement
    sqlite3 -batch -cmd ".timeout 5000" "$1" "$2" </dev/null
}

fail() {
    echo "$*" >&2
    local log
    for log in ./*.log; do
        [ ! -s "$log" ] || tail -n 5 "$log" >&2
    done
    exit 1
}

serve_a() { # listen address
    : >a.json # read before the peer, in the background, may have opened it
    "$peer" serve a.db --listen "$1" --room demo --track all --json >a.json 2>a.log &
    a_pid=$!
    pids+=("$a_pid")
    local i
    for ((i = 0; i < 200; i++)); do
        port=$(sed -n 's/.*"event" *: *"listening".*"port" *: *\([0-9]*\).*/\1/p' a.json | head -n 1)
        [ -n "$port" ] && break
        kill -0 "$a_pid" 2>/dev/null || break
        sleep 0.05
    done
    [ -n "$port" ] || fail "The peer of a.db did not start."
    url=ws://127.0.0.1:$port/demo
}

follow_b() {
    : >b.json
    "$peer" sync b.db "$url" --json >b.json 2>b.log &
    b_pid=$!
    pids+=("$b_pid")
}

end() { # pid
    local left=() pid
    for pid in "${pids[@]}"; do
        [ "$pid" = "$1" ] || left+=("$pid")
    done
    pids=("${left[@]}")
    kill "$1"
    wait "$1" || fail "A peer did not end cleanly."
}

# The tracked tables: one without a primary key stays what it is, in one file.
tables() {
    quietly b.db "SELECT name FROM sync_table ORDER BY name"
}

rows_of() { # file, table: every row with its values spelled out, in one order
    sqlite3 -batch -quote -cmd ".timeout 5000" "$1" "SELECT * FROM \"${2//\"/\"\"}\"" </dev/null | LC_ALL=C sort
}

same() { # tables
    local table a b
    for table in "$@"; do
        a=$(rows_of a.db "$table" | sha256sum) && b=$(rows_of b.db "$table" | sha256sum) && [ "$a" = "$b" ] || return 1
    done
}

wait_same() { # tables that were written to
    local i
    for ((i = 0; i < 150; i++)); do
        same "$@" && return
        sleep 0.1
    done
    fail "The files did not become equal."
}

in_wal_mode() { # file: its header says so
    [ "$(od -An -tx1 -j 18 -N 1 "$1" 2>/dev/null)" = " 02" ]
}

state_of() { # file: what changes when it is written, or opened in WAL mode
    stat -c '%n %i %s %y' "$1" "$1-wal" "$1-shm" 2>/dev/null || true
}

# Who reads a file in WAL mode makes -wal and -shm beside it, and may not take them away again. A file that nobody has open, so has no -shm, is
# copied by its bytes instead.
copy() { # from, to
    local before
    if in_wal_mode "$1" && [ ! -e "$1-shm" ]; then
        before=$(state_of "$1")
        cp "$1" "$2" || return
        [ ! -e "$1-wal" ] || cp "$1-wal" "$2-wal" || return
        if [ "$before" = "$(state_of "$1")" ]; then
            quietly "$2" "SELECT count(*) FROM sqlite_schema" >/dev/null
            return
        fi
        rm -f "$2" "$2-wal"
    fi
    sqlite3 -readonly "$1" ".backup $2"
}

if [ -n "$yours" ]; then
    say "A copy of $yours becomes a.db; yours is only read."
    copy "$yours" a.db || fail "$yours is no SQLite database, or is busy."
else
    say "A database of an ordinary program: a.db."
    quietly a.db "PRAGMA journal_mode = WAL;
        CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, phone TEXT);
        CREATE TABLE invoice(id TEXT PRIMARY KEY, customer_id INT NOT NULL REFERENCES customer(id), total REAL);
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO customer SELECT i, 'Customer ' || i, 'Paris', NULL FROM n;
        INSERT INTO invoice SELECT 'inv-' || id, id, id * 1.25 FROM customer WHERE id % 4 = 0;" >/dev/null
fi
quietly a.db "CREATE TABLE IF NOT EXISTS demo_note(id TEXT PRIMARY KEY, body TEXT, author TEXT)"
quietly a.db ".tables" | sed 's/^/   /'

say "A peer offers a.db; a second file is cloned from it, and a second peer keeps that one in step."
echo "   sync-peer serve a.db --track all"
serve_a 127.0.0.1:0
echo "   sync-peer clone $url b.db"
"$peer" clone "$url" b.db >clone.log 2>&1 || fail "The clone failed."
echo "   sync-peer sync b.db $url"
follow_b
mapfile -t tracked < <(tables)
[ ${#tracked[@]} -gt 0 ] || fail "Nothing was cloned."
wait_same "${tracked[@]}"
echo "   Both files hold the same rows."

say "Writes on both sides, by the stock shell, which does not know the extension."
sql a.db "INSERT INTO demo_note VALUES('n1', 'written in a', 'a'), ('n2', 'to be deleted', 'a'), ('n3', 'both will edit this', 'a')"
sql b.db "INSERT INTO demo_note VALUES('n4', 'written in b', 'b')"
wait_same demo_note
sql b.db "SELECT id, body, author FROM demo_note ORDER BY id"

say "How long it takes: fifty single writes to a.db, each awaited in b.db."
/usr/bin/python3 - <<'PYTHON' || fail "A write did not arrive."
import sqlite3, statistics, sys, time
a = sqlite3.connect("a.db", isolation_level=None, timeout=5)
b = sqlite3.connect("b.db", isolation_level=None, timeout=5)
taken = []
for i in range(50):
    a.execute("UPDATE demo_note SET body = ? WHERE id = 'n1'", (f"edit {i}",))
    committed = time.monotonic()
    while b.execute("SELECT body FROM demo_note WHERE id = 'n1'").fetchone() != (f"edit {i}",):
        if time.monotonic() - committed > 10:
            sys.exit(1)
        time.sleep(0.0001)
    taken.append((time.monotonic() - committed) * 1000)
    time.sleep(0.01)
print(f"   median {statistics.median(taken):.2f} ms, longest {max(taken):.2f} ms")
PYTHON

say "The peer of b.db is stopped: from here on the files are edited apart."
end "$b_pid"
sql a.db "UPDATE demo_note SET body = 'the body, edited in a' WHERE id = 'n3'"
sql b.db "UPDATE demo_note SET author = 'the author, edited in b' WHERE id = 'n3'"
sql a.db "DELETE FROM demo_note WHERE id = 'n2'"
sql b.db "INSERT INTO demo_note VALUES('n5', 'new in b', 'b')"
sql a.db "INSERT INTO demo_note VALUES('n6', 'new in a', 'a')"
if [ -z "$yours" ]; then
    sql a.db "UPDATE customer SET city = 'Lyon' WHERE id <= 500"
    sql b.db "UPDATE customer SET phone = '+33 1 ' || id WHERE id >= 400"
    sql b.db "DELETE FROM invoice WHERE id = 'inv-8'"
fi

say "They meet again."
echo "   sync-peer sync b.db $url"
follow_b
written=(demo_note)
[ -n "$yours" ] || written+=(customer invoice)
wait_same "${written[@]}"
sql a.db "SELECT id, body, author FROM demo_note ORDER BY id"
[ -n "$yours" ] || sql b.db "SELECT * FROM customer WHERE id IN (399, 400, 501)"

say "Both peers stop; the files are compared row by row."
end "$b_pid"
end "$a_pid"
for table in "${tracked[@]}"; do
    same "$table" || fail "The files differ in $table."
    printf '   %-30s %8d rows, equal\n' "$table" "$(quietly a.db "SELECT count(*) FROM \"${table//\"/\"\"}\"")"
done
quietly a.db "PRAGMA integrity_check; PRAGMA foreign_key_check" | sed 's/^/   a.db: integrity check: /'
quietly b.db "PRAGMA integrity_check; PRAGMA foreign_key_check" | sed 's/^/   b.db: integrity check: /'
printf '\nThe files were temporary and are gone.\n'
