/* The command line. */
#ifndef PEER_OPTIONS_H
#define PEER_OPTIONS_H

#include "exits.h"
#include "peer_limits.h"
#include "row_rules.h"
#include "url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum peer_command { PEER_SERVE, PEER_SYNC, PEER_CLONE, PEER_CHECK_CONFIG } peer_command;

typedef enum peer_track {
    PEER_TRACK_UNSAID, /* everything, if the file tracks nothing yet */
    PEER_TRACK_ALL,
    PEER_TRACK_NONE,
    PEER_TRACK_LIST
} peer_track;

/* What becomes of a room's tables when its script changes. */
typedef enum peer_migrate {
    PEER_MIGRATE_ADDITIVE,
    PEER_MIGRATE_DESTRUCTIVE, /* also what loses values */
    PEER_MIGRATE_NONE
} peer_migrate;

typedef struct peer_config peer_config;

/* A room elsewhere that a room of a configuration is kept in step with. Owned strings. */
typedef struct peer_upstream {
    char *url;
    char *token_file, *pin, *tables; /* as those of peer_options */
    unsigned rights;                 /* what the other side may do here: sync_peer_right */
    bool primary;                    /* what members write here takes effect there first */
} peer_upstream;

typedef struct peer_options {
    peer_command command;
    char *file;
    char *room;          /* serve: given or made from the file's name */
    bool configured;     /* --config: `file` is the configuration */
    peer_config *config; /* read from there. NULL: none */
    char *folder;        /* the file is a stranger's, in this folder. NULL: the user's own */
    int64_t bytes_max;   /* of the file; 0: any */
    int64_t statement_s; /* with `folder`: processor time of one statement */
    bool create;         /* the file may be made */
    char *schema;        /* a script that makes its tables then, and that they follow; NULL: none */
    char *schema_common; /* ... if that is not there; NULL: it must be */
    peer_migrate migrate;
    peer_address listen[PEER_LISTEN_MAX];
    size_t listen_count;
    peer_track track;
    char *track_list; /* as given; see peer_track_next() */
    peer_url urls[PEER_FOLLOW_MAX];
    size_t url_count;
    peer_upstream
        *upstreams; /* of a configuration's room, in place of URLs; one of them at most is the primary */
    size_t upstream_count;
    char *token_file; /* for these URLs; NULL: none */
    char *tables;     /* the only ones that are exchanged with them, as track_list; NULL: all */
    char *ca_file;    /* whose certificates are trusted there, as PEM; NULL: those that the system trusts */
    char *
        pin; /* SHA-256 of the key of the only certificate that is, in hexadecimal digits; NULL: any that is trusted */
    char *cert_file; /* TLS for who connects here: the chain and the key, as PEM; NULL: none */
    char *key_file;
    char *client_ca_file; /* whose certificates they may show; NULL: they are not asked for one */
    char *client_cert_file, *client_key_file; /* what is shown at wss:// URLs that ask; NULL: nothing */
    unsigned rights;                          /* what others may do with the file: sync_peer_right */
    peer_row_rules rules; /* with which rows, if they are members without the right admin */
    bool once;
    bool json;
    bool quiet;
    bool keep_journal_mode; /* --no-wal */
} peer_options;

/* Reads the command line. False: there is nothing (more) to do, *code is the exit code; what had to be said has been said
** (help and version on stdout, mistakes on stderr). `o` must be freed in any case. */
bool peer_options_read(int argc, char **argv, peer_options *o, int *code);
void peer_options_free(peer_options *o);

/* The primary of the room; NULL: it has none. Borrowed. */
const peer_upstream *peer_options_primary(const peer_options *o);

/* Do the options that are about TLS fit each other, and the URLs? False: it has been said, and *code is the exit code. */
bool peer_options_check_tls(const peer_options *o, int *code);

/* Prints the summary of all commands on stdout, or else the version. */
void peer_options_tell(bool help);

/* Takes the next name out of a --track list: up to a comma, or in double quotes, of which two stand for one. Owned by the caller; "" where
** nothing stands between two commas; NULL at the end. */
char *peer_track_next(const char **list);

#endif
