/* Which rows of a room its members may see and change, as a configuration says it: copies of texts, for whoever needs them. Any thread. */
#ifndef PEER_ROW_RULES_H
#define PEER_ROW_RULES_H

#include <stdbool.h>
#include <stddef.h>

/* As sync_rule of sync_ext.h. Owned texts. */
typedef struct peer_row_rule {
    char *table;
    char *read, *write; /* NULL: not given */
} peer_row_rule;

typedef struct peer_row_rules {
    peer_row_rule *list;
    size_t count; /* 0: everybody may see and change what his rights let him */
} peer_row_rules;

/* Adds one; the texts are copied, `read` and `write` may be NULL. */
void peer_row_rules_add(peer_row_rules *rules, const char *table, const char *read, const char *write);
void peer_row_rules_copy(peer_row_rules *to, const peer_row_rules *from); /* `to` is empty */
bool peer_row_rules_same(const peer_row_rules *a, const peer_row_rules *b);
void peer_row_rules_free(peer_row_rules *rules); /* empties */

#endif
