#!/usr/bin/env bash
# Looks for what the build and the tests need, and installs what is missing from Debian's packages.
# Where that is not allowed it says what to type instead, and ends with 1.
set -euo pipefail

# What to look for, and the Debian 12 package that brings it.
wanted=(
    "command:cc gcc"
    "header:stdlib.h libc6-dev"
    "command:make make"
    "command:cmake cmake"
    "command:pkg-config pkg-config"
    "library:sqlite3 libsqlite3-dev"
    "library:libzstd libzstd-dev"
    "library:libwebsockets libwebsockets-dev"
    "library:jansson libjansson-dev"
    "library:libjwt libjwt-dev"
    "library:openssl libssl-dev"
    "library:libcrypt libcrypt-dev"
    "library:libsystemd libsystemd-dev"
    "library:cmocka libcmocka-dev"
    "command:sqlite3 sqlite3"
    "command:/usr/bin/python3 python3"
    "command:openssl openssl"
)

present() {
    local name=${1#*:}
    case $1 in
    command:*) command -v "$name" >/dev/null ;;
    library:*) command -v pkg-config >/dev/null && pkg-config --exists "$name" ;;
    header:*) echo "#include <$name>" | cc -E -x c - >/dev/null 2>&1 ;;
    esac
}

find_missing() {
    missing=()
    local line
    for line in "${wanted[@]}"; do
        present "${line% *}" || missing+=("${line#* }")
    done
}

by_hand() {
    echo "To install them by hand, as root: apt-get update && apt-get install ${missing[*]}" >&2
    exit 1
}

find_missing
[ ${#missing[@]} -eq 0 ] && exit 0
echo "Missing packages: ${missing[*]}" >&2

if ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system: the names above are Debian's." >&2
    by_hand
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        as_root=(sudo)
    else
        echo "They cannot be installed from here: this is not root, and there is no sudo." >&2
        by_hand
    fi
fi

echo "Installing them: ${as_root[*]} apt-get install ${missing[*]}" >&2
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if ! { "${install[@]}" -qq update && "${install[@]}" -qq -y --no-install-recommends install "${missing[@]}"; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "Installing failed." >&2
    by_hand
fi
find_missing
if [ ${#missing[@]} -ne 0 ]; then
    echo "Still missing after the installation: ${missing[*]}" >&2
    by_hand
fi
