# Completion of sync-peer for bash: commands, the options of each, what they take, and files where a file is meant.

# The options that `sync-peer $1` has.
_sync_peer_options() {
    local always="--json --quiet --help --version"
    local linked="--receive-only --no-wal --token-file --ca-file --pin --client-cert-file --client-key-file"
    local asking="--json --quiet --token-file --ca-file --pin --client-cert-file --client-key-file"
    local said="--help --version"
    case $1 in
    serve) echo "--config --listen --room --follow --track --tables --send-only --cert-file --key-file $linked $always" ;;
    sync) echo "--once --track --tables --send-only $linked $always" ;;
    clone) echo "$linked $always" ;;
    check-config) echo "--schema $always" ;;
    rooms) echo "$asking $said" ;;
    status) echo "--watch $asking $said" ;;
    verify) echo "--limit --repair $asking $said" ;;
    log) echo "--table --since --follow $said" ;;
    compact) echo "--json --quiet --age $said" ;;
    snapshot) echo "--json --quiet $said" ;;
    token) echo "--key-file --audience --room --rights --sub --seconds $said" ;;
    user) echo "--sub --room --rights --table $said" ;;
    *) echo "$said" ;;
    esac
}

# How many words before the one that is completed are neither options nor what belongs to them.
_sync_peer_place() {
    local i place=0
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --follow) # of log it has no value
            [ "${COMP_WORDS[1]}" != log ] || continue
            [ "${COMP_WORDS[i + 1]}" != = ] || ((i++))
            ((i++))
            ;;
        --listen | --room | --config | --track | --tables | --token-file | --ca-file | --pin | --cert-file | --key-file | --client-cert-file | --client-key-file | \
            --limit | --table | --since | --age | --audience | --rights | --sub | --seconds)
            [ "${COMP_WORDS[i + 1]}" != = ] || ((i++))
            ((i++))
            ;;
        -*) ;;
        : | //*) ;; # bash takes a URL apart at its colons
        *) [ "${COMP_WORDS[i - 1]}" = : ] || ((place++)) ;;
        esac
    done
    echo "$place"
}

_sync_peer_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_sync_peer() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    COMPREPLY=()
    if [ "$current" = = ]; then # --option=value is three words to bash
        current=
    elif [ "$before" = = ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "serve sync clone check-config rooms status verify log compact snapshot token user $(_sync_peer_options)" -- "$current")
        return
    fi
    case $before in
    --config | --token-file | --ca-file | --cert-file | --key-file | --client-cert-file | --client-key-file) _sync_peer_files "$current" ;;
    --track) mapfile -t COMPREPLY < <(compgen -W "all none" -- "$current") ;;
    --rights) mapfile -t COMPREPLY < <(compgen -W "read write read,write read,write,peer admin" -- "$current") ;;
    --listen | --room | --pin | --limit | --table | --since | --age | --audience | --sub | --seconds | :) ;;
    *)
        if [ "$before" = --follow ] && [ "$command" != log ]; then
            : # a URL
        elif [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_sync_peer_options "$command")" -- "$current")
        else
            case $command:$(_sync_peer_place) in
            user:0) mapfile -t COMPREPLY < <(compgen -W "add set remove list" -- "$current") ;;
            serve:0 | sync:0 | check-config:0 | clone:1 | verify:[01] | log:0 | compact:0 | snapshot:[01] | user:1) _sync_peer_files "$current" ;;
            esac
        fi
        ;;
    esac
}

complete -F _sync_peer sync-peer
