#include "ddl.h"

#include "tokens.h"

#include <string.h>

static sync_ddl_name take(const char **at)
{
    *at += sync_tokens_skip(*at);
    sync_ddl_name token = {*at, sync_tokens_next(*at)};
    *at += token.bytes;
    return token;
}

static bool is(sync_ddl_name token, const char *word)
{
    return sync_tokens_is(token.text, token.bytes, word);
}

/* Passes over the words, if they all stand here. */
static bool pass(const char **at, const char *const *words, size_t count)
{
    const char *from = *at;
    for (size_t i = 0; i < count; i++) {
        if (!is(take(&from), words[i])) {
            return false;
        }
    }
    *at = from;
    return true;
}

static void take_name(const char **at, sync_ddl *out)
{
    static const char *const exists[] = {"IF", "EXISTS"}, *const not_exists[] = {"IF", "NOT", "EXISTS"};
    if (!pass(at, exists, 2)) {
        (void)pass(at, not_exists, 3);
    }
    out->name = take(at);
    const char *from = *at;
    if (is(take(&from), ".")) {
        out->schema = out->name;
        out->name = take(&from);
        *at = from;
    }
}

static void read_create(const char *at, sync_ddl *out)
{
    static const struct {
        const char *word;
        sync_ddl_kind kind;
    } kinds[] = {{"TABLE", SYNC_DDL_CREATE_TABLE},
                 {"INDEX", SYNC_DDL_CREATE_INDEX},
                 {"TRIGGER", SYNC_DDL_CREATE_TRIGGER},
                 {"VIEW", SYNC_DDL_CREATE_VIEW}};
    sync_ddl_name word = take(&at);
    out->temporary = is(word, "TEMP") || is(word, "TEMPORARY");
    if (out->temporary || is(word, "UNIQUE")) {
        word = take(&at);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        out->kind = is(word, kinds[i].word) ? kinds[i].kind : out->kind;
    }
    take_name(&at, out);
    bool hangs = out->kind == SYNC_DDL_CREATE_INDEX || out->kind == SYNC_DDL_CREATE_TRIGGER;
    for (word = take(&at); hangs && word.bytes && !is(word, ";"); word = take(&at)) {
        if (is(word, "ON")) {
            out->on = take(&at);
            hangs = false;
        }
    }
}

static void read_drop(const char *at, sync_ddl *out)
{
    sync_ddl_name word = take(&at);
    out->kind = is(word, "TABLE")                                              ? SYNC_DDL_DROP_TABLE
                : is(word, "INDEX") || is(word, "TRIGGER") || is(word, "VIEW") ? SYNC_DDL_DROP_OTHER
                                                                               : SYNC_DDL_OTHER;
    take_name(&at, out);
}

static void read_alter(const char *at, sync_ddl *out)
{
    out->kind = is(take(&at), "TABLE") ? SYNC_DDL_ALTER_TABLE : SYNC_DDL_OTHER;
    take_name(&at, out);
    sync_ddl_name verb = take(&at);
    if (is(verb, "RENAME") && is(take(&at), "TO")) {
        out->to = take(&at);
    } else if (is(verb, "DROP")) {
        out->column = take(&at);
        const char *from = at;
        sync_ddl_name next = take(&from);
        if (is(out->column, "COLUMN") && next.bytes && !is(next, ";")) {
            out->column = next;
        }
    }
}

static void read_insert(const char *at, sync_ddl *out)
{
    sync_ddl_name word = take(&at);
    if (is(word, "OR")) {
        (void)take(&at);
        word = take(&at);
    }
    out->kind = is(word, "INTO") ? SYNC_DDL_INSERT : SYNC_DDL_OTHER;
    take_name(&at, out);
}

void sync_ddl_read(const char *sql, sync_ddl *out)
{
    *out = (sync_ddl){.kind = SYNC_DDL_OTHER};
    out->first = take(&sql);
    if (out->first.bytes == 0 || is(out->first, ";")) {
        out->kind = SYNC_DDL_NOTHING;
    } else if (is(out->first, "CREATE")) {
        read_create(sql, out);
    } else if (is(out->first, "DROP")) {
        read_drop(sql, out);
    } else if (is(out->first, "ALTER")) {
        read_alter(sql, out);
    } else if (is(out->first, "INSERT") || is(out->first, "REPLACE")) {
        read_insert(sql, out);
    }
}
