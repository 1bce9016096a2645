/* The configuration of `serve --config`: a JSON file that keeps to config.schema.json, read once; after that only asked. Any thread may ask. */
#ifndef PEER_CONFIG_H
#define PEER_CONFIG_H

#include "options.h"
#include "token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peer_config_rule peer_config_rule;

/* Several texts. */
typedef struct peer_texts {
    char **list;
    size_t count;
} peer_texts;

/* Who may join. */
typedef struct peer_auth {
    peer_texts hosts, origins; /* none: not given */
    peer_token_rules tokens;
} peer_auth;

struct peer_config {
    char *path;          /* of the configuration file, as given */
    peer_texts listen;   /* HOST[:PORT] */
    char *db_folder;     /* with the configuration file's folder in front, if it was relative */
    char *schema_folder; /* the same; NULL: none */
    char *scratch;       /* where rooms in memory are; NULL: none is */
    bool create;
    char *cert_file, *key_file; /* TLS; NULL: none */
    peer_auth *auth;            /* NULL: anybody */
    size_t open_rooms, links;
    int64_t idle_us;
    int64_t statement_s;
    int64_t bytes_max;  /* of each room's file, unless its rule says otherwise; 0: any */
    size_t members_max; /* of each room, likewise */
    peer_config_rule *rules;
    size_t rule_count;
};

/* Reads a file. NULL: *why, which the caller frees, says what is wrong and where; *exit is the exit code that deserves. */
peer_config *peer_config_read(const char *path, char **why, int *exit);
void peer_config_free(peer_config *config); /* NULL is fine */

/* Before rooms are asked for: makes what they need. False: *why, which the caller frees. */
bool peer_config_begin(peer_config *config, char **why);

/* The schema that a configuration keeps to, as JSON text. */
const char *peer_config_schema(void);

/* Is there a room of this name (which is one): a file that is served, or one that may be made? Looks at the folder. */
bool peer_config_has_room(const peer_config *config, const char *name);

/* How many may be in that room at a time; 0: any number. */
size_t peer_config_members_max(const peer_config *config, const char *name);

/* What the worker of that room is started with. The caller frees it by peer_options_free. */
void peer_config_room(const peer_config *config, const char *name, peer_options *options);

#endif
