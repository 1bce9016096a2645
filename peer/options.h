/* The command line. */
#ifndef PEER_OPTIONS_H
#define PEER_OPTIONS_H

#include "exits.h"
#include "peer_limits.h"

#include <stdbool.h>
#include <stddef.h>

/* ws://host[:port]/room. Owned strings. */
typedef struct peer_url {
    char *text;
    char *host; /* without the brackets of an IPv6 address */
    int port;
    char *room;
} peer_url;

typedef enum peer_command { PEER_SERVE, PEER_SYNC, PEER_CLONE, PEER_CHECK_CONFIG } peer_command;

typedef enum peer_track {
    PEER_TRACK_UNSAID, /* everything, if the file tracks nothing yet */
    PEER_TRACK_ALL,
    PEER_TRACK_NONE,
    PEER_TRACK_LIST
} peer_track;

typedef struct peer_config peer_config;

typedef struct peer_options {
    peer_command command;
    char *file;
    char *room;          /* serve: given or made from the file's name */
    bool configured;     /* --config: `file` is the configuration */
    peer_config *config; /* read from there. NULL: none */
    bool create;         /* the file may be made */
    char *schema;        /* a script that makes its tables then; NULL: none */
    char *listen_host;
    int listen_port;
    peer_track track;
    char *track_list; /* as given; see peer_track_next() */
    peer_url urls[PEER_FOLLOW_MAX];
    size_t url_count;
    char *token_file; /* for these URLs; NULL: none */
    unsigned rights;  /* what others may do with the file: sync_peer_right */
    bool once;
    bool json;
    bool quiet;
    bool keep_journal_mode; /* --no-wal */
} peer_options;

/* Reads the command line. False: there is nothing (more) to do, *code is the exit code; what had to be said has been said
** (help and version on stdout, mistakes on stderr). `o` must be freed in any case. */
bool peer_options_read(int argc, char **argv, peer_options *o, int *code);
void peer_options_free(peer_options *o);

/* Parses a URL into an empty `url`. NULL, or what is wrong with it (a constant). */
const char *peer_url_read(const char *text, peer_url *url);
void peer_url_free(peer_url *url);

/* Takes the next name out of a --track list: up to a comma, or in double quotes, of which two stand for one. Owned by the caller; "" where
** nothing stands between two commas; NULL at the end. */
char *peer_track_next(const char **list);

/* [a-z0-9][a-z0-9_-]{0,63} */
bool peer_room_name_ok(const char *name, size_t bytes);

/* A room name out of a file name: without directory and extension, in lower case, other characters as '-'. NULL if nothing
** is left; owned by the caller. */
char *peer_room_name_of(const char *path);

#endif
