/* What the parts share that read a configuration: pieces of its JSON, which has been checked against the schema. Any thread. */
#ifndef PEER_CONFIG_INTERNAL_H
#define PEER_CONFIG_INTERNAL_H

#include "config.h"

#include <jansson.h>

/* A path of the configuration, which is relative to its file; the caller frees it. NULL gives NULL. */
char *peer_config_beside(const char *config, const char *path);

/* A text of an object, borrowed from it; NULL: it has none of that name. */
const char *peer_config_text(const json_t *object, const char *key);

/* Of an array of texts, or of one; none: no texts. peer_config_texts_free frees what is in it. */
peer_texts peer_config_texts(const json_t *array);
void peer_config_texts_free(peer_texts *texts);

/* sync_peer_right; not given: both. */
unsigned peer_config_read_rights(const json_t *names);

/* ---- config_auth.c */

/* Who may join, into c->auth: with the keys, which are read now. `auth` NULL: anybody. False: *why, which the caller frees. */
bool peer_auth_read(peer_config *c, const json_t *auth, char **why);
void peer_auth_free(peer_auth *auth); /* NULL is fine */

#endif
