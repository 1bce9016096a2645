#!/usr/bin/env bash
# What the sources promise about their shape, as TAP. Layout is clang-format's, where it is installed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

file_lines_max=600
function_lines_max=80

mapfile -t c_files < <(find ext peer tests -name '*.[ch]' | sort)
mapfile -t all_files < <(find ext peer sql scripts tests cmake -type f \
    \( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name '*.sql' -o -name '*.sql.in' -o -name '*.cmake' \) | sort)

number=0
report() { # name, problems
    number=$((number + 1))
    if [ -z "$2" ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        # shellcheck disable=SC2001
        sed 's/^/#   /' <<<"$2"
    fi
}

echo "1..5"

report "files have at most $file_lines_max lines" "$(
    awk -v max="$file_lines_max" 'FNR == 1 { file = FILENAME } { lines[FILENAME] = FNR }
        END { for (f in lines) if (lines[f] > max) print f ": " lines[f] " lines" }' "${all_files[@]}"
)"

# A function's body begins with a brace alone in the first column and ends with one, as .clang-format lays it out.
report "functions have at most $function_lines_max lines" "$(
    awk -v max="$function_lines_max" '
        /^\{$/ { start = FNR }
        /^\}$/ { if (start && FNR - start > max) print FILENAME ":" start ": " FNR - start " lines"; start = 0 }
        FNR == 1 && !/^\{$/ { start = 0 }' "${c_files[@]}"
)"

report "no unfinished business" "$(grep -nE '\b(TO''DO|FIX''ME|XX''X|HA''CK)\b' "${all_files[@]}")"

report "no line is exempted from an analyzer or a warning" "$(grep -nE 'NO''LINT|cppcheck-''suppress|diagnostic ''ignored|no_''sanitize' "${all_files[@]}")"

if command -v clang-format >/dev/null; then
    report "clang-format has nothing to change" "$(clang-format --dry-run "${c_files[@]}" 2>&1 | grep 'warning:' |
        cut -d: -f1 | sort | uniq -c)"
else
    echo "ok 5 - clang-format has nothing to change # SKIP clang-format is not installed"
fi
