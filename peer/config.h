/* The configuration of `serve --config`: a JSON file that keeps to config.schema.json, read once; after that only asked. Any thread may ask. */
#ifndef PEER_CONFIG_H
#define PEER_CONFIG_H

#include "cookie.h"
#include "log.h"
#include "options.h"
#include "token.h"
#include "visitors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peer_config_rule peer_config_rule;
typedef struct peer_config_link peer_config_link;

/* Several texts. */
typedef struct peer_texts {
    char **list;
    size_t count;
} peer_texts;

/* Whose certificate lets him in, where. */
typedef struct peer_cert_member {
    char *name, *rooms; /* the certificate's common name; both with * in it, perhaps */
    unsigned rights;    /* sync_peer_right */
} peer_cert_member;

/* Who may join. */
typedef struct peer_auth {
    peer_texts hosts, origins; /* none: not given */
    bool jwt;
    peer_token_rules tokens;
    char *ca_file; /* of certificates of who connects; NULL: none is asked for */
    peer_cert_member *members;
    size_t member_count;
    char *users_file, *users_table; /* who may log in; NULL: nobody */
    peer_cookie_rules cookie;       /* with users: what they get for it */
} peer_auth;

struct peer_config {
    char *path;          /* of the configuration file, as given */
    char *name;          /* of this peer, for people; NULL: not given */
    peer_texts listen;   /* HOST[:PORT] */
    char *db_folder;     /* with the configuration file's folder in front, if it was relative */
    char *schema_folder; /* the same; NULL: none */
    char *scratch;       /* where rooms in memory are; NULL: none is */
    bool create;
    peer_migrate migrate;
    char *cert_file, *key_file;               /* TLS; NULL: none */
    char *client_cert_file, *client_key_file; /* what is shown at wss:// links; NULL: nothing */
    char *ca_file;   /* whose certificates are trusted at wss:// links; NULL: those that the system trusts */
    peer_auth *auth; /* NULL: anybody */
    bool metrics;    /* they are served */
    peer_address metrics_listen; /* there, and nowhere else; host NULL: where rooms are */
    peer_log_rules log;
    size_t open_rooms, links;
    peer_visitor_limits visitors;
    int64_t idle_us;
    int64_t statement_s;
    int64_t bytes_max;  /* of each room's file, unless its rule says otherwise; 0: any */
    size_t members_max; /* of each room, likewise */
    peer_config_rule *rules;
    size_t rule_count;
    peer_config_link *upstreams;
    size_t upstream_count;
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

/* What anybody may do in that room at most: sync_peer_right. */
unsigned peer_config_rights(const peer_config *config, const char *name);

/* How many may be in that room at a time; 0: any number. */
size_t peer_config_members_max(const peer_config *config, const char *name);

/* What the worker of that room is started with. The caller frees it by peer_options_free. */
void peer_config_room(const peer_config *config, const char *name, peer_options *options);

/* Is the room to be open also while nobody has joined it? */
bool peer_config_keeps(const peer_config *config, const char *name);

/* Is called for a room; false: for no more. `name` is only lent. */
typedef bool peer_config_visit(const char *name, void *context);

/* Calls for each room of the folder that has a file and is served, and looks at so many entries at most. False: there may be more. */
bool peer_config_each_file(const peer_config *config, size_t entries_max, peer_config_visit *one,
                           void *context);

/* Calls for each room that has a file and is to be kept open. Looks at the folder. */
void peer_config_each_kept(const peer_config *config, peer_config_visit *one, void *context);

#endif
