#include "rollbacks.h"

#include "json.h"

#include <string.h>

static void put_key(sync_buf *buf, const sync_table *t, const sync_value *key)
{
    for (uint32_t i = 0; i < t->key_count; i++) {
        sync_value_put(buf, &key[i]);
    }
}

/* The last such note; *count: of how many. */
static const sync_rollback *find(const sync_db *s, uint32_t tid, const sync_buf *key, int how,
                                 uint32_t *count)
{
    const sync_rollback *last = NULL;
    *count = 0;
    for (uint32_t i = 0; i < s->rollback_count; i++) {
        const sync_rollback *one = &s->rollbacks[i];
        if (one->tid == tid && one->how == how && one->schema_version == s->schema_version &&
            one->key.len == key->len && (key->len == 0 || memcmp(one->key.data, key->data, key->len) == 0)) {
            last = one;
            ++*count;
        }
    }
    return last;
}

int sync_rollbacks_note(sync_db *s, const sync_table *t, const sync_value *key, int how, sync_error *error)
{
    sync_rollback one = {
        .tid = t->tid, .how = how, .met = s->rollback_met, .schema_version = s->schema_version};
    sync_buf json = {0};
    sync_rollback *wider = sync_realloc(s->rollbacks, (s->rollback_count + 1) * sizeof *wider);
    s->rollbacks = wider ? wider : s->rollbacks;
    put_key(&one.key, t, key);
    sync_json_key(&json, key, t->key_count);
    sync_buf_put_u8(&json, 0);
    one.why = sqlite3_mprintf("%s", error->text);
    sync_error_clear(error);
    if (wider == NULL || one.key.oom || json.oom || one.why == NULL) {
        sync_buf_free(&one.key);
        sync_buf_free(&json);
        sqlite3_free(one.why);
        return sync_fail_nomem(error);
    }
    s->rollbacks[s->rollback_count++] = one;
    int rc = sync_fail(
        error, SQLITE_ABORT_ROLLBACK,
        "table %s: a trigger rolled the whole transaction back when the row %.200s was to be written"
        " (%.100s): merge again, then the row is held",
        t->name, (const char *)json.data, one.why);
    sync_buf_free(&json);
    return rc;
}

const char *sync_rollbacks_find(const sync_db *s, const sync_table *t, const sync_value *key, int how,
                                bool *met)
{
    sync_buf wanted = {0};
    uint32_t count = 0;
    *met = false;
    if (s->rollback_count == 0) {
        return NULL;
    }
    put_key(&wanted, t, key);
    const sync_rollback *one =
        wanted.oom ? NULL : find(s, t->tid, &wanted, how, &count); /* then it is tried, and noted again */
    sync_buf_free(&wanted);
    *met = one && one->met && count == 1;
    return one ? one->why : NULL;
}

bool sync_rollbacks_met(const sync_db *s, const sync_table *t, int how)
{
    bool met = false;
    for (uint32_t i = 0; !met && i < s->rollback_count; i++) {
        met = s->rollbacks[i].tid == t->tid && s->rollbacks[i].how == how && s->rollbacks[i].met;
    }
    return met;
}

bool sync_rollbacks_many(const sync_db *s, const sync_table *t)
{
    bool of_table = false;
    for (uint32_t i = 0; !of_table && i < s->rollback_count; i++) {
        of_table = s->rollbacks[i].tid == t->tid;
    }
    return of_table && s->rollback_count >= SYNC_ROLLBACKS_MAX;
}

bool sync_rollbacks_again(const sync_db *s, uint32_t before, bool transaction, int result)
{
    return result == SQLITE_ABORT_ROLLBACK && transaction && s->rollback_count > before;
}

void sync_rollbacks_clear(sync_db *s)
{
    for (uint32_t i = 0; i < s->rollback_count; i++) {
        sync_buf_free(&s->rollbacks[i].key);
        sqlite3_free(s->rollbacks[i].why);
    }
    sync_free(s->rollbacks);
    s->rollbacks = NULL;
    s->rollback_count = 0;
}
