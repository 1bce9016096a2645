#!/usr/bin/env bash
# Checks the layers on the #include lines, as TAP. A header brings along what it includes itself.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# ext/: leaves know neither SQLite nor sockets; only mem.c asks SQLite for memory.
leaves="limits status mem arena value clock row merge vector codec codec_internal codec_head codec_read codec_seen codec_write
    frame json describe env tokens index_sql ddl"
# ext/: the spine, lowest first. Each module includes leaves, its neighbours of one line, and what stands before them.
spine=(
    "sqlite"
    "engine sql meta catalog schema references declared hints follow vtab keeper rollbacks"
    "key clocks base meant chunk site touch tail capture admit track learn gone refusals"
    "fold fold_internal fold_claims fold_meant overlay replay cells"
    "rules watched select"
    "changes changes_internal changes_open changes_sql changes_select request merging conflict find"
    "floor parts peers compact against clash parents place enter write lane order claims contest awaited orphans orphans_list adopted bracket kept settle renumber moves whole gate withdraw apply_internal closing apply"
    "operation options clone clone_internal clone_load clone_adopt preview rebuild alter verdict verdict_internal verdict_row verdict_unique verdict_anew verdict_genesis"
    "stream stream_internal stream_ruled functions vtab_changes vtab_status vtab_renumbered tables"
    "sync_ext"
)
# peer/: the network thread's side, which never touches SQLite; the workers' side, which never touches a socket; and
# what both sides use, which touches neither.
network="net net_internal supervisor tls rooms serve scrape roster presence observe admission visits request signin reload follow asking link session resolve backoff"
workers="file fetching verify verify_internal verify_tables verify_sums verify_walk verify_report verify_repair changelog compacting snapshot users login accounts
    room room_internal incoming merging refusing forwarding ruling refusals foreign pace outgoing counting finishing cloning copying duplicate offering taking claim founding script migration evolve database identity quiet checkpoint walreset precautions beneath harden inspect quota failure seen watch"
both="main options commands stop minting overview bearer url config config_internal config_auth config_change row_rules scratch json_check ddl_items keys token cookie password form head members visitors throttle log message metrics exposition escape logline rate exits peer_limits"

declare -A edges # file -> what it includes, as paths for our own headers and as <name> for others
problems=""
complain() {
    problems+="#   $1"$'\n'
}

resolve() { # including file, text between the quotes
    local name=$2 directory
    for directory in "$(dirname "$1")" ext; do
        [ -f "$directory/$name" ] && echo "$directory/$name" && return
    done
    echo "<$name>"
}

read_edges() {
    local file line
    for file in ext/*.[ch] peer/*.[ch]; do
        edges[$file]=""
        while read -r line; do
            case $line in
            *\"*\"*) edges[$file]+="$(resolve "$file" "$(cut -d'"' -f2 <<<"$line")") " ;;
            *\<*\>*) edges[$file]+="<$(cut -d'<' -f2 <<<"$line" | cut -d'>' -f1)> " ;;
            esac
        done < <(grep -E '^[[:space:]]*#[[:space:]]*include' "$file")
    done
}

# Everything `file` includes, directly or through our own headers, one per line.
closure() {
    local -A seen=()
    local todo=("$1") at next
    while [ ${#todo[@]} -gt 0 ]; do
        at=${todo[-1]}
        unset 'todo[-1]'
        for next in ${edges[$at]-}; do
            [ -n "${seen[$next]-}" ] && continue
            seen[$next]=1
            echo "$next"
            todo+=("$next")
        done
    done
}

module_of() {
    local name
    name=$(basename "$1")
    echo "${name%.[ch]}"
}

is_in() {
    [[ " ${2//$'\n'/ } " == *" $1 "* ]]
}

rank() { # of a spine module, -1 for others
    local i
    for i in "${!spine[@]}"; do
        is_in "$1" "${spine[i]}" && echo "$i" && return
    done
    echo -1
}

number=0
report() {
    number=$((number + 1))
    if [ -z "$problems" ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        printf '%s' "$problems"
        problems=""
    fi
}

is_sqlite() {
    case $1 in
    *sqlite3*.h\> | ext/sqlite.h | ext/sync_ext.h) true ;;
    *) false ;;
    esac
}

is_lws() {
    [[ $1 == *libwebsockets* ]]
}

read_edges
echo "1..4"

for file in ext/*.[ch]; do
    module=$(module_of "$file")
    is_in "$module" "$leaves" || is_in "$module" "${spine[*]}" || complain "$file: not in the table of layers in $0"
    is_in "$module" "$leaves" || continue
    for included in $(closure "$file"); do
        if is_sqlite "$included" && [ "$file" != ext/mem.c ]; then
            complain "$file includes $included"
        elif [[ $included == ext/* ]] && ! is_in "$(module_of "$included")" "$leaves" && [ "$file" != ext/mem.c ]; then
            complain "$file includes $included, which is no leaf"
        fi
    done
done
report "leaves include only leaves"

for file in ext/*.[ch]; do
    mine=$(rank "$(module_of "$file")")
    [ "$mine" -ge 0 ] || continue
    for included in ${edges[$file]}; do
        [[ $included == ext/* && $included != ext/sync_ext.h ]] || continue
        theirs=$(rank "$(module_of "$included")")
        [ "$theirs" -le "$mine" ] || complain "$file includes $included, which stands above it"
    done
done
report "the spine calls only downwards"

for file in ext/*.[ch]; do
    for included in $(closure "$file"); do
        if is_lws "$included" || [[ $included == peer/* || $included == \<openssl/* ]]; then
            complain "$file includes $included"
        fi
    done
done
report "the engine knows no sockets"

for file in peer/*.[ch]; do
    module=$(module_of "$file")
    is_in "$module" "$network $workers $both" || complain "$file: not in the table of layers in $0"
    for included in $(closure "$file"); do
        if is_sqlite "$included" && ! is_in "$module" "$workers"; then
            complain "$file is not on the workers' side and includes $included"
        elif is_lws "$included" && ! is_in "$module" "$network"; then
            complain "$file is not on the network's side and includes $included"
        fi
    done
done
report "the network thread does not touch SQLite, the workers touch no socket"
