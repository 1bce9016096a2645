/* Exit codes of sync-peer; --help and the manual page list them. */
#ifndef PEER_EXITS_H
#define PEER_EXITS_H

typedef enum peer_exit {
    PEER_EXIT_OK = 0,
    PEER_EXIT_ERROR = 1,    /* anything without a number of its own */
    PEER_EXIT_USAGE = 2,    /* the command line, a malformed URL included */
    PEER_EXIT_MISSING = 3,  /* no such file; for clone: there already is one, or no such directory */
    PEER_EXIT_NOTADB = 4,   /* not a SQLite database, or a damaged one */
    PEER_EXIT_READONLY = 5, /* the file or its directory cannot be written */
    PEER_EXIT_BUSY = 6,     /* another program keeps the file locked */
    PEER_EXIT_FULL = 7,     /* the disk is full */
    PEER_EXIT_NETWORK =
        8, /* not reachable: unknown host, refused, no answer; or the address to listen on is taken */
    PEER_EXIT_REFUSED = 9,   /* the other side refused: no such room, not a sync peer */
    PEER_EXIT_VERSION = 10,  /* a protocol, a changeset or a file from a newer version */
    PEER_EXIT_SCHEMA = 11,   /* a table's key or identity differs, or cannot be tracked */
    PEER_EXIT_REPLACED = 12, /* the file was replaced or deleted under the running peer */
    PEER_EXIT_STOPPED = 13,  /* a signal came before it was done: clone, --once, what works on files */
    PEER_EXIT_DIFFER = 14    /* verify: the files differ */
} peer_exit;

#endif
