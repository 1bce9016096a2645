#include "functions.h"

#include "adopted.h"
#include "alter.h"
#include "apply.h"
#include "capture.h"
#include "changes.h"
#include "compact.h"
#include "describe.h"
#include "operation.h"
#include "options.h"
#include "peers.h"
#include "preview.h"
#include "renumber.h"
#include "rollbacks.h"
#include "touch.h"
#include "verdict.h"

#include <stdlib.h>
#include <string.h>

/* ---- results ---- */

static void give_error(sqlite3_context *context, const sync_error *error)
{
    if (error->code == SYNC_NOMEM) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, error->text, -1);
    sqlite3_result_error_code(context, sync_host_code(error->code));
}

/* What an operation is opened for. */
typedef enum purpose { TO_LOOK, TO_KNOW, TO_TELL, TO_WRITE } purpose;

/* One call: `work` runs inside an operation and sets the result; if it or the operation's end fails, the error takes its place. */
typedef struct call {
    sqlite3_context *context;
    int argc;
    sqlite3_value **argv;
    sync_db *s;
    int64_t folded;  /* TO_WRITE: journal entries folded on the way */
    bool unenforced; /* the operation has switched foreign keys off */
    bool take_back;  /* set by work: all is well, and nothing of it shall remain */
} call;

typedef int call_work(call *c, sync_error *error);

static int attempt(call *c, purpose to, call_work *work, bool *transaction, sync_error *error)
{
    sync_error ignored = {0};
    sync_operation o = {0};
    int rc = to == TO_WRITE  ? sync_operation_write(c->s, &o, &c->folded, error)
             : to == TO_LOOK ? sync_op_begin(c->s, &o.op, SYNC_READ, error)
                             : sync_operation_read(c->s, &o, to == TO_TELL, error);
    *transaction = o.op.transaction;
    if (rc == SYNC_OK) {
        c->unenforced = o.op.unenforced;
        rc = work(c, error);
        if (rc == SYNC_OK && to == TO_WRITE && c->s->has_meta) {
            rc = sync_site_anew(c->s, &o.outside, &o.renewed, error);
        }
        if (rc == SYNC_OK && c->take_back) {
            (void)sync_operation_end(c->s, &o, SYNC_ERROR, &ignored); /* gives back what it is given */
        } else {
            rc = sync_operation_end(c->s, &o, rc, error);
        }
    }
    return rc;
}

static int perform(sqlite3_context *context, int argc, sqlite3_value **argv, purpose to, call_work *work)
{
    call c = {.context = context, .argc = argc, .argv = argv, .s = sqlite3_user_data(context)};
    sync_error error;
    uint32_t before;
    bool transaction;
    int rc;
    do {
        before = c.s->rollback_count;
        error = (sync_error){0};
        rc = attempt(&c, to, work, &transaction, &error);
    } while (sync_rollbacks_again(c.s, before, transaction, rc));
    if (rc != SYNC_OK) {
        c.s->failed = error.code;
        give_error(context, &error);
    }
    return rc;
}

/* The first argument as a name. */
static int name_argument(const call *c, const char *function, const char **name, sync_error *error)
{
    if (sqlite3_value_type(c->argv[0]) != SQLITE_TEXT) {
        return sync_fail(error, SYNC_ERROR, "%s: the name of a table is expected", function);
    }
    *name = (const char *)sqlite3_value_text(c->argv[0]);
    if (*name == NULL) {
        return sync_fail_nomem(error);
    }
    if (sqlite3_strnicmp(*name, "main.", 5) == 0) {
        *name += 5;
    }
    return SYNC_OK;
}

/* ---- tracking ---- */

static int one_of(const char *option, const char *value, const char *a, const char *b, int *is_b,
                  sync_error *error)
{
    if (value[0] == 0 || strcmp(value, a) == 0 || strcmp(value, b) == 0) {
        *is_b = value[0] ? strcmp(value, b) == 0 : -1;
        return SYNC_OK;
    }
    return sync_fail(error, SYNC_ERROR, "sync_track: %s is \"%s\" or \"%s\", not \"%s\"", option, a, b,
                     value);
}

/* The option `references` as it is kept, to be freed by sqlite3_free; NULL where none is given. */
static int read_references(sync_db *s, sqlite3_value *options, char **references, sync_error *error)
{
    sqlite3_stmt *stmt;
    int rc = sync_prepare(
        s, &stmt, error,
        "SELECT json_extract(?1, '$.references'), json_type(?1, '$.references') = 'object' AND NOT "
        "EXISTS (SELECT 1 FROM json_each(?1, '$.references') WHERE type <> 'text' OR key IN "
        "('identity', 'genesis'))");
    if (rc == SYNC_OK && sqlite3_bind_value(stmt, 1, options)) {
        rc = sync_fail_db(s, error, NULL);
    }
    rc = rc == SYNC_OK ? sync_step(s, stmt, error) : rc;
    if (rc == SQLITE_ROW && !sqlite3_column_int(stmt, 1)) {
        rc = sync_fail(
            error, SYNC_ERROR,
            "sync_track: references is an object of columns and the tables that they refer to, such as "
            "{\"person\": \"people\"}");
    } else if (rc == SQLITE_ROW) {
        *references = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
        rc = *references ? SYNC_OK : sync_fail_nomem(error);
    }
    sqlite3_finalize(stmt);
    return rc;
}

static int track(call *c, sync_error *error)
{
    static const char *const names[] = {"identity", "genesis", "references"};
    char values[3][SYNC_OPTION_BYTES], *references = NULL;
    int identity = -1, own = -1;
    const char *name = NULL;
    int rc = name_argument(c, "sync_track", &name, error);
    rc = rc == SYNC_OK
             ? sync_options_read(c->s, c->argc > 1 ? c->argv[1] : NULL, "sync_track", names, 3, values, error)
             : rc;
    rc = rc == SYNC_OK ? one_of(names[0], values[0], "key", "row", &identity, error) : rc;
    rc = rc == SYNC_OK ? one_of(names[1], values[1], "shared", "own", &own, error) : rc;
    rc = rc == SYNC_OK && values[2][0] ? read_references(c->s, c->argv[1], &references, error) : rc;
    if (rc != SYNC_OK) {
        return rc;
    }
    uint32_t adopted = 0;
    rc = sync_capture_track(c->s, &(sync_wish){name, identity, own, references}, 1, &adopted, error);
    rc = rc == SYNC_OK ? sync_adopted(c->s, adopted, error) : rc;
    sqlite3_free(references);
    sqlite3_result_int64(c->context, adopted);
    return rc;
}

static void fn_track(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)perform(context, argc, argv, TO_WRITE, track);
}

static int track_all(call *c, sync_error *error)
{
    uint32_t adopted = 0;
    int rc = sync_capture_track_all(c->s, &adopted, error);
    rc = rc == SYNC_OK ? sync_adopted(c->s, adopted, error) : rc;
    sqlite3_result_int64(c->context, adopted);
    return rc;
}

static void fn_track_all(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)perform(context, argc, argv, TO_WRITE, track_all);
}

/* After the last table was let go: nothing of ours stays beside the file either. */
static void forget_witness(sync_db *s)
{
    const sync_env *env = sync_env_get();
    const char *path = sqlite3_db_filename(s->db, "main");
    if (!s->has_meta && sqlite3_get_autocommit(s->db) && path && *path) {
        (void)env->witness_remove(env->context,
                                  path); /* a witness without metadata says nothing to anybody */
        s->witness_written = false;
    }
}

static int untrack(call *c, sync_error *error)
{
    const char *name = NULL;
    int rc = name_argument(c, "sync_untrack", &name, error);
    sqlite3_result_int(c->context, 1);
    return rc == SYNC_OK ? sync_capture_untrack(c->s, name, error) : rc;
}

static void fn_untrack(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    if (perform(context, argc, argv, TO_WRITE, untrack) == SYNC_OK) {
        forget_witness(sqlite3_user_data(context));
    }
}

static int untrack_all(call *c, sync_error *error)
{
    uint32_t count = 0;
    int rc = sync_capture_untrack_all(c->s, &count, error);
    sqlite3_result_int64(c->context, count);
    return rc;
}

static void fn_untrack_all(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    if (perform(context, argc, argv, TO_WRITE, untrack_all) == SYNC_OK) {
        forget_witness(sqlite3_user_data(context));
    }
}

static int alter(call *c, sync_error *error)
{
    int64_t adjusted = 0;
    if (sqlite3_value_type(c->argv[0]) != SQLITE_TEXT) {
        return sync_fail(error, SYNC_ERROR, "sync_alter: statements are expected, as text");
    }
    const char *sql = (const char *)sqlite3_value_text(c->argv[0]);
    int rc = sql ? sync_alter(c->s, sql, c->unenforced, &adjusted, error) : sync_fail_nomem(error);
    sqlite3_result_int64(c->context, adjusted);
    return rc;
}

static void fn_alter(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = sqlite3_user_data(context);
    bool had_meta = s->has_meta;
    if (perform(context, argc, argv, TO_WRITE, alter) == SYNC_OK && had_meta) {
        forget_witness(s);
    }
}

/* ---- asking ---- */

static int site(call *c, sync_error *error)
{
    (void)error;
    sqlite3_result_blob(c->context, c->s->site_ids[c->s->own_site], SYNC_SITE_BYTES, SQLITE_TRANSIENT);
    return SYNC_OK;
}

static void fn_site(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)perform(context, argc, argv, TO_KNOW, site);
}

static int version(call *c, sync_error *error)
{
    int64_t newest = 0;
    int rc = c->s->has_meta
                 ? sync_query_int(c->s, &newest, 0, error, "SELECT max(seq) FROM main.sync_journal")
                 : SYNC_OK;
    sqlite3_result_int64(c->context, newest);
    return rc;
}

static void fn_version(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)perform(context, argc, argv, TO_LOOK, version);
}

static int fold(call *c, sync_error *error)
{
    sqlite3_result_int64(c->context, c->folded);
    return c->s->has_meta ? SYNC_OK : sync_not_tracked(error);
}

static void fn_fold(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    ((sync_db *)sqlite3_user_data(context))->try_held = true;
    (void)perform(context, argc, argv, TO_WRITE, fold);
}

static int seen(call *c, sync_error *error)
{
    sync_buf buf = {0};
    int rc = sync_changes_seen(c->s, &buf, error);
    if (rc == SYNC_OK) {
        sqlite3_result_blob64(c->context, buf.data, buf.len, SQLITE_TRANSIENT);
    }
    sync_buf_free(&buf);
    return rc;
}

static void fn_seen(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)perform(context, argc, argv, TO_TELL, seen);
}

/* ---- exchange ---- */

static int request_argument(const call *c, sync_request *request, sync_error *error)
{
    if (c->argc > 0 && sqlite3_value_type(c->argv[0]) == SQLITE_INTEGER &&
        sqlite3_value_int64(c->argv[0]) >= 0) {
        request->version = sqlite3_value_int64(c->argv[0]);
    } else if (c->argc > 0 && sqlite3_value_type(c->argv[0]) == SQLITE_BLOB) {
        request->seen = sqlite3_value_blob(c->argv[0]);
        request->seen_bytes = (size_t)sqlite3_value_bytes(c->argv[0]);
        request->seen = request->seen ? request->seen : "";
    } else if (c->argc > 0) {
        return sync_fail(error, SYNC_ERROR,
                         "sync_changeset: a version of this file (integer) or another file's sync_seen() "
                         "(blob) is expected");
    }
    return SYNC_OK;
}

/* A whole delta as one changeset; nothing to send leaves the result NULL. */
static int changeset(call *c, sync_error *error)
{
    sync_request request = {0};
    sync_changes *changes = NULL;
    const void *part = NULL;
    size_t bytes = 0;
    bool last = false;
    int rc = request_argument(c, &request, error);
    rc = rc == SYNC_OK ? sync_changes_open(c->s, &request, &changes, error) : rc;
    rc = rc == SYNC_OK ? sync_changes_part(changes, 0, 0, &part, &bytes, &last, error) : rc;
    if (rc == SYNC_ROW && sync_changes_rows(changes) > 0) {
        sqlite3_result_blob64(c->context, part, bytes, SQLITE_TRANSIENT);
    }
    sync_changes_close(changes);
    return rc == SYNC_ROW || rc == SYNC_DONE ? SYNC_OK : rc;
}

static void fn_changeset(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)perform(context, argc, argv, TO_TELL, changeset);
}

/* The options of sync_apply: shall it be taken back? */
static int read_dry_run(sync_db *s, sqlite3_value *options, bool *dry, sync_error *error)
{
    static const char *const names[] = {"dry_run"};
    char value[SYNC_OPTION_BYTES];
    int rc = sync_options_read(s, options, "sync_apply", names, 1, &value, error);
    *dry = rc == SYNC_OK && strcmp(value, "1") == 0;
    if (rc == SYNC_OK && !*dry && value[0] && strcmp(value, "0") != 0 && strcmp(value, "null") != 0) {
        rc = sync_fail(error, SYNC_ERROR, "sync_apply: dry_run is true or false, not \"%s\"", value);
    }
    return rc;
}

static int apply(call *c, sync_error *error)
{
    sync_buf said = {0};
    int64_t changed = 0;
    if (!c->s->has_meta) {
        return sync_not_tracked(error);
    }
    const void *blob = sqlite3_value_blob(c->argv[0]);
    size_t bytes = (size_t)sqlite3_value_bytes(c->argv[0]);
    int rc = read_dry_run(c->s, c->argc > 1 ? c->argv[1] : NULL, &c->take_back, error);
    if (rc == SYNC_OK && c->take_back) {
        rc = sync_preview(c->s, blob ? blob : "", bytes, &said, error);
        sqlite3_result_text64(c->context, (const char *)said.data, said.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    } else if (rc == SYNC_OK) {
        rc = sync_apply(c->s, blob ? blob : "", bytes, &changed, error);
        sqlite3_result_int64(c->context, changed);
    }
    sync_buf_free(&said);
    return rc;
}

/* What sync_changeset() gives when there is nothing, also by way of a file: then only the local half is done. */
static bool is_nothing(sqlite3_value *changeset)
{
    int type = sqlite3_value_type(changeset);
    return type == SQLITE_NULL || (type == SQLITE_BLOB && sqlite3_value_bytes(changeset) == 0);
}

static int apply_nothing(call *c, sync_error *error)
{
    int rc = read_dry_run(c->s, c->argc > 1 ? c->argv[1] : NULL, &c->take_back, error);
    if (c->take_back) {
        sqlite3_result_text(c->context, "[]", -1, SQLITE_STATIC);
    } else {
        sqlite3_result_int(c->context, 0);
        rc = rc == SYNC_OK && c->s->has_meta ? sync_renumber(c->s, true, error) : rc;
        rc = rc == SYNC_OK && c->s->has_meta ? sync_engine_save(c->s, error) : rc;
    }
    return rc;
}

static void fn_apply(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    if (is_nothing(argv[0])) {
        (void)perform(context, argc, argv, TO_WRITE, apply_nothing);
    } else if (sqlite3_value_type(argv[0]) != SQLITE_BLOB) {
        sqlite3_result_error(context, "sync_apply: a changeset (blob) is expected", -1);
    } else {
        (void)perform(context, argc, argv, TO_WRITE, apply);
    }
}

/* ---- compaction ---- */

/* A number of seconds; null: never. */
static int read_seconds(const char *option, const char *value, int64_t *seconds, sync_error *error)
{
    char *end = NULL;
    if (value[0] == 0) {
        return SYNC_OK;
    }
    if (strcmp(value, "null") == 0) {
        *seconds = -1;
        return SYNC_OK;
    }
    int64_t given = strtoll(value, &end, 10);
    if (*end || given < 0 || strlen(value) >= SYNC_OPTION_BYTES - 1) {
        return sync_fail(error, SYNC_ERROR,
                         "sync_compact: %s is a number of seconds, or null for never, not \"%s\"", option,
                         value);
    }
    *seconds = given;
    return SYNC_OK;
}

static int compact(call *c, sync_error *error)
{
    static const char *const names[] = {"age", "acknowledged"};
    char values[2][SYNC_OPTION_BYTES];
    sync_compaction how = {.age = (int64_t)SYNC_COMPACT_AGE_S, .acknowledged = 0};
    int64_t gone = 0;
    if (!c->s->has_meta) {
        return sync_not_tracked(error);
    }
    int rc =
        sync_options_read(c->s, c->argc > 0 ? c->argv[0] : NULL, "sync_compact", names, 2, values, error);
    rc = rc == SYNC_OK ? read_seconds(names[0], values[0], &how.age, error) : rc;
    rc = rc == SYNC_OK ? read_seconds(names[1], values[1], &how.acknowledged, error) : rc;
    rc = rc == SYNC_OK ? sync_compact(c->s, &how, &gone, error) : rc;
    sqlite3_result_int64(c->context, gone);
    return rc;
}

static void fn_compact(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)perform(context, argc, argv, TO_WRITE, compact);
}

static int heard(call *c, sync_error *error)
{
    bool news = false;
    if (!c->s->has_meta) {
        return sync_not_tracked(error);
    }
    if (sqlite3_value_type(c->argv[0]) != SQLITE_BLOB) {
        return sync_fail(error, SYNC_ERROR, "sync_heard: another file's sync_seen() (blob) is expected");
    }
    const void *blob = sqlite3_value_blob(c->argv[0]);
    int rc = sync_peers_hear(c->s, blob ? blob : "", (size_t)sqlite3_value_bytes(c->argv[0]), &news, error);
    rc = rc == SYNC_OK ? sync_engine_save(c->s, error) : rc;
    sqlite3_result_int(c->context, news);
    return rc;
}

static void fn_heard(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)perform(context, argc, argv, TO_WRITE, heard);
}

static int touch(call *c, sync_error *error)
{
    const char *name = NULL;
    int rc = name_argument(c, "sync_touch", &name, error);
    sqlite3_result_int(c->context, 1);
    return rc == SYNC_OK ? sync_touch(c->s, name, c->argv[1], error) : rc;
}

static void fn_touch(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)perform(context, argc, argv, TO_WRITE, touch);
}

static int resolve(call *c, sync_error *error)
{
    if (!c->s->has_meta) {
        return sync_not_tracked(error);
    }
    if (sqlite3_value_type(c->argv[0]) != SQLITE_INTEGER) {
        return sync_fail(error, SYNC_ERROR, "sync_resolve: the id of an entry of sync_conflict is expected");
    }
    bool null = sqlite3_value_type(c->argv[1]) == SQLITE_NULL;
    const char *choice = (const char *)sqlite3_value_text(c->argv[1]);
    if (choice == NULL && !null) {
        return sync_fail_nomem(error);
    }
    sqlite3_result_int(c->context, 1);
    return sync_verdict(c->s, sqlite3_value_int64(c->argv[0]), choice, error);
}

static void fn_resolve(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = sqlite3_user_data(context);
    s->deciding = true;
    (void)perform(context, argc, argv, TO_WRITE, resolve);
    s->deciding = false;
}

static void fn_describe(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_error error = {0};
    sync_buf buf = {0};
    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL) {
        return;
    }
    const void *blob = sqlite3_value_blob(argv[0]);
    int rc = sync_describe(blob ? blob : "", (size_t)sqlite3_value_bytes(argv[0]), &buf, &error);
    if (rc == SYNC_OK) { /* may be large: handed over, not copied */
        sqlite3_result_text64(context, (const char *)buf.data, buf.len, sqlite3_free, SQLITE_UTF8);
        buf = (sync_buf){0};
    } else {
        give_error(context, &error);
    }
    sync_buf_free(&buf);
}

int sync_functions_register(sync_db *s)
{
    static const struct {
        const char *name;
        int argc;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } list[] = {{"sync_track", 1, fn_track},
                {"sync_track", 2, fn_track},
                {"sync_track_all", 0, fn_track_all},
                {"sync_untrack", 1, fn_untrack},
                {"sync_untrack_all", 0, fn_untrack_all},
                {"sync_alter", 1, fn_alter},
                {"sync_site", 0, fn_site},
                {"sync_version", 0, fn_version},
                {"sync_fold", 0, fn_fold},
                {"sync_seen", 0, fn_seen},
                {"sync_changeset", 0, fn_changeset},
                {"sync_changeset", 1, fn_changeset},
                {"sync_apply", 1, fn_apply},
                {"sync_apply", 2, fn_apply},
                {"sync_compact", 0, fn_compact},
                {"sync_compact", 1, fn_compact},
                {"sync_heard", 1, fn_heard},
                {"sync_touch", 2, fn_touch},
                {"sync_resolve", 2, fn_resolve},
                {"sync_describe", 1, fn_describe}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        int rc =
            sqlite3_create_function_v2(s->db, list[i].name, list[i].argc, SQLITE_UTF8 | SQLITE_DIRECTONLY, s,
                                       list[i].function, NULL, NULL, NULL);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}
