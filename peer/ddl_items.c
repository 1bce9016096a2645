#include "ddl_items.h"

#include "message.h"
#include "tokens.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The token at *at, behind white space and comments; 0: none before `end`. */
static size_t token(const char **at, const char *end)
{
    size_t skipped = sync_tokens_skip(*at);
    *at = skipped < (size_t)(end - *at) ? *at + skipped : end;
    size_t bytes = *at < end ? sync_tokens_next(*at) : 0;
    return bytes < (size_t)(end - *at) ? bytes : (size_t)(end - *at);
}

static char *name_of(const char *at, size_t bytes)
{
    char *name = peer_new(bytes + 1);
    sync_tokens_name(at, bytes, name);
    return name;
}

static bool is_constraint(const char *at, size_t bytes)
{
    static const char *const words[] = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (sync_tokens_is(at, bytes, words[i])) {
            return true;
        }
    }
    return false;
}

/* The parenthesis around the columns: `at` behind it; NULL: there is none. */
static const char *find_columns(const char *at, const char *end)
{
    size_t bytes;
    for (int i = 0; (bytes = token(&at, end)) > 0 && *at != '('; i++) {
        if ((i == 0 && !sync_tokens_is(at, bytes, "CREATE")) ||
            (i == 1 && sync_tokens_is(at, bytes, "VIRTUAL"))) {
            return NULL;
        }
        at += bytes;
    }
    return bytes > 0 ? at + 1 : NULL;
}

/* Reads one item, up to the comma or parenthesis behind it, where *at stands then. */
static void read_item(const char **at, const char *end, peer_ddl_item *item)
{
    int depth = 0;
    size_t bytes;
    *item = (peer_ddl_item){.column = NULL};
    while ((bytes = token(at, end)) > 0 && (depth > 0 || (**at != ',' && **at != ')'))) {
        if (item->piece.text == NULL) {
            item->piece.text = *at;
            item->column = is_constraint(*at, bytes) ? NULL : name_of(*at, bytes);
        }
        depth += (**at == '(') - (**at == ')');
        *at += bytes;
        item->piece.bytes = (size_t)(*at - item->piece.text);
    }
}

peer_ddl_piece peer_ddl_piece_of(const char *text)
{
    return (peer_ddl_piece){text, strlen(text)};
}

bool peer_ddl_table_read(const char *sql, peer_ddl_table *out)
{
    const char *end = sql + strlen(sql), *at = find_columns(sql, end);
    *out = (peer_ddl_table){.items = NULL};
    if (at == NULL) {
        return false;
    }
    size_t room = 1;
    for (const char *c = at; c < end; c++) {
        room += *c == ',';
    }
    out->items = peer_new(room * sizeof *out->items);
    do {
        read_item(&at, end, &out->items[out->count++]);
    } while (*at == ',' && at++ != end);
    at += at < end; /* the parenthesis */
    at += sync_tokens_skip(at);
    out->options = peer_ddl_piece_of(at);
    return true;
}

void peer_ddl_table_free(peer_ddl_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->items[i].column);
    }
    free(table->items);
    *table = (peer_ddl_table){.items = NULL};
}

static bool same_token(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    if (*a == '\'' || *b == '\'' ||
        (*a == '"' && *b == '"')) { /* a text, or where no such name is known SQLite takes it for one */
        return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
    }
    char *a_name = name_of(a, a_bytes), *b_name = name_of(b, b_bytes);
    bool same = strcasecmp(a_name, b_name) == 0;
    free(a_name);
    free(b_name);
    return same;
}

bool peer_ddl_same(peer_ddl_piece a, peer_ddl_piece b)
{
    const char *a_end = a.text + a.bytes, *b_end = b.text + b.bytes;
    for (;;) {
        size_t a_bytes = token(&a.text, a_end), b_bytes = token(&b.text, b_end);
        if (a_bytes == 0 || b_bytes == 0) {
            return a_bytes == b_bytes;
        }
        if (!same_token(a.text, a_bytes, b.text, b_bytes)) {
            return false;
        }
        a.text += a_bytes;
        b.text += b_bytes;
    }
}

const peer_ddl_item *peer_ddl_find(const peer_ddl_table *table, const char *column)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->items[i].column != NULL && strcasecmp(table->items[i].column, column) == 0) {
            return &table->items[i];
        }
    }
    return NULL;
}
