#include "functions.h"

#include "apply.h"
#include "capture.h"
#include "changes.h"
#include "describe.h"
#include "operation.h"
#include "touch.h"

#include <string.h>

/* ---- results ---- */

static void give_error(sqlite3_context *context, const sync_error *error)
{
    if (error->code == SYNC_NOMEM) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, error->text, -1);
    /* a result of SQLITE_CORRUPT would make SQLite distrust the whole database and refuse the caller's COMMIT */
    if (error->code < SYNC_BEHIND && (error->code & 0xff) != SQLITE_CORRUPT) {
        sqlite3_result_error_code(context, error->code);
    }
}

static sync_db *engine_of(sqlite3_context *context)
{
    return sqlite3_user_data(context);
}

/* Ends the operation and sets an integer or the error as the result. */
static void finish_int(sqlite3_context *context, sync_operation *o, int rc, int64_t value, sync_error *error)
{
    rc = sync_operation_end(engine_of(context), o, rc, error);
    if (rc == SYNC_OK) {
        sqlite3_result_int64(context, value);
    } else {
        give_error(context, error);
    }
}

/* The argument as a name; NULL with an error set if it is none. */
static const char *name_argument(sqlite3_context *context, sqlite3_value *arg, const char *function)
{
    if (sqlite3_value_type(arg) != SQLITE_TEXT) {
        char text[128];
        sqlite3_snprintf(sizeof text, text, "%s: the name of a table is expected", function);
        sqlite3_result_error(context, text, -1);
        return NULL;
    }
    const char *name = (const char *)sqlite3_value_text(arg);
    if (name == NULL) {
        sqlite3_result_error_nomem(context);
        return NULL;
    }
    if (sqlite3_strnicmp(name, "main.", 5) == 0) {
        name += 5;
    }
    return name;
}

/* ---- options ---- */

enum { OPTION_BYTES = 16 };

/* Reads a JSON object of options: names lists those that there are, values gets the value of each as text ("" where it is not given). */
static int read_options(sync_db *s, sqlite3_value *options, const char *function, const char *const *names,
                        uint32_t count, char (*values)[OPTION_BYTES], sync_error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i][0] = 0;
    }
    if (options == NULL || sqlite3_value_type(options) == SQLITE_NULL) {
        return SYNC_OK;
    }
    sqlite3_stmt *stmt;
    int rc = sync_prepare(
        s, &stmt, error,
        "SELECT key, value, json_valid(?1) AND json_type(?1) = 'object' FROM (SELECT 1) LEFT JOIN"
        " json_each(iif(json_valid(?1), ?1, '[]'))");
    if (rc == SYNC_OK && sqlite3_bind_value(stmt, 1, options)) {
        rc = sync_fail_db(s, error, NULL);
    }
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, error)) == SQLITE_ROW) {
        rc = SYNC_OK;
        const char *key = (const char *)sqlite3_column_text(stmt, 0);
        const char *text = (const char *)sqlite3_column_text(stmt, 1);
        uint32_t i = 0;
        while (key && i < count && strcmp(key, names[i]) != 0) {
            i++;
        }
        if (!sqlite3_column_int(stmt, 2)) {
            rc = sync_fail(error, SYNC_ERROR, "%s: options are a JSON object, such as {\"%s\": ...}",
                           function, names[0]);
        } else if (key && i == count) {
            rc = sync_fail(error, SYNC_ERROR, "%s: unknown option \"%s\"; known: \"%s\"%s%s%s", function, key,
                           names[0], count > 1 ? ", \"" : "", count > 1 ? names[1] : "",
                           count > 1 ? "\"" : "");
        } else if (key) {
            sqlite3_snprintf(OPTION_BYTES, values[i], "%s", text ? text : "null");
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SYNC_OK : rc;
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

static void fn_track(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    static const char *const names[] = {"identity", "genesis"};
    char values[2][OPTION_BYTES];
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    int identity = -1, own = -1;
    const char *name = name_argument(context, argv[0], "sync_track");
    if (name == NULL) {
        return;
    }
    int rc = read_options(s, argc > 1 ? argv[1] : NULL, "sync_track", names, 2, values, &error);
    rc = rc == SYNC_OK ? one_of(names[0], values[0], "key", "row", &identity, &error) : rc;
    rc = rc == SYNC_OK ? one_of(names[1], values[1], "shared", "own", &own, &error) : rc;
    rc = rc == SYNC_OK ? sync_operation_write(s, &o, NULL, &error) : rc;
    if (rc != SYNC_OK) {
        give_error(context, &error);
        return;
    }
    uint32_t before = s->table_count;
    char *options =
        sqlite3_mprintf("{%s%s%s%s%s}", identity < 0 ? "" : "\"identity\":\"", identity < 0 ? "" : values[0],
                        identity < 0 ? "" : "\"", identity >= 0 && own == 1 ? "," : "",
                        own == 1 ? "\"genesis\":\"own\"" : "");
    rc = options ? sync_capture_track(s, name, identity, options, &error) : sync_fail_nomem(&error);
    sqlite3_free(options);
    finish_int(context, &o, rc, s->table_count != before, &error);
}

static void fn_track_all(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    char *names = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t count = 0;
    (void)argc;
    (void)argv;
    int rc = sync_operation_write(s, &o, NULL, &error);
    if (rc != SYNC_OK) {
        give_error(context, &error);
        return;
    }
    rc = sync_capture_candidates(s, &names, &error);
    rc = rc == SYNC_OK ? sync_prepare(s, &stmt, &error, "SELECT value FROM json_each(%Q)", names) : rc;
    while (rc == SYNC_OK && (rc = sync_step(s, stmt, &error)) == SQLITE_ROW) {
        rc = sync_capture_track(s, (const char *)sqlite3_column_text(stmt, 0), -1, "{}", &error);
        count++;
    }
    sqlite3_finalize(stmt);
    sqlite3_free(names);
    finish_int(context, &o, rc == SQLITE_DONE ? SYNC_OK : rc, count, &error);
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

static void fn_untrack(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    (void)argc;
    const char *name = name_argument(context, argv[0], "sync_untrack");
    if (name == NULL) {
        return;
    }
    int rc = sync_operation_write(s, &o, NULL, &error);
    if (rc != SYNC_OK) {
        give_error(context, &error);
        return;
    }
    rc = sync_capture_untrack(s, name, &error);
    finish_int(context, &o, rc, 1, &error);
    if (rc == SYNC_OK) {
        forget_witness(s);
    }
}

static void fn_untrack_all(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    int64_t count = 0;
    (void)argc;
    (void)argv;
    int rc = sync_operation_write(s, &o, NULL, &error);
    if (rc != SYNC_OK) {
        give_error(context, &error);
        return;
    }
    while (rc == SYNC_OK && s->has_meta && s->table_count) {
        char *name = sqlite3_mprintf("%s", s->tables[0].name);
        rc = name ? sync_capture_untrack(s, name, &error) : sync_fail_nomem(&error);
        sqlite3_free(name);
        count++;
    }
    finish_int(context, &o, rc, count, &error);
    if (rc == SYNC_OK) {
        forget_witness(s);
    }
}

/* ---- asking ---- */

static void fn_site(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    (void)argc;
    (void)argv;
    int rc = sync_operation_read(s, &o, false, &error);
    if (rc == SYNC_OK) {
        sqlite3_result_blob(context, s->site_ids[s->own_site], SYNC_SITE_BYTES, SQLITE_TRANSIENT);
        rc = sync_operation_end(s, &o, rc, &error);
    }
    if (rc != SYNC_OK) {
        give_error(context, &error);
    }
}

static void fn_version(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_op op = {0};
    int64_t version = 0;
    (void)argc;
    (void)argv;
    int rc = sync_op_begin(s, &op, SYNC_READ, &error);
    if (rc == SYNC_OK) {
        rc = s->has_meta ? sync_query_int(s, &version, 0, &error, "SELECT max(seq) FROM main.sync_journal")
                         : SYNC_OK;
        rc = sync_op_end(s, &op, rc, &error);
    }
    if (rc == SYNC_OK) {
        sqlite3_result_int64(context, version);
    } else {
        give_error(context, &error);
    }
}

static void fn_fold(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    int64_t entries = 0;
    (void)argc;
    (void)argv;
    int rc = sync_operation_write(s, &o, &entries, &error);
    if (rc == SYNC_OK) {
        finish_int(context, &o, s->has_meta ? SYNC_OK : sync_not_tracked(&error), entries, &error);
    } else {
        give_error(context, &error);
    }
}

static void fn_seen(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    sync_buf buf = {0};
    (void)argc;
    (void)argv;
    int rc = sync_operation_read(s, &o, true, &error);
    if (rc == SYNC_OK) {
        rc = sync_changes_seen(s, &buf, &error);
        rc = sync_operation_end(s, &o, rc, &error);
    }
    if (rc == SYNC_OK) {
        sqlite3_result_blob64(context, buf.data, buf.len, SQLITE_TRANSIENT);
    } else {
        give_error(context, &error);
    }
    sync_buf_free(&buf);
}

/* ---- exchange ---- */

/* A whole delta as one changeset; nothing to send leaves the result NULL. */
static int give_changeset(sqlite3_context *context, sync_db *s, const sync_request *request,
                          sync_error *error)
{
    sync_changes *c = NULL;
    const void *part = NULL;
    size_t bytes = 0;
    bool last = false;
    int rc = sync_changes_open(s, request, &c, error);
    if (rc == SYNC_OK) {
        rc = sync_changes_part(c, 0, 0, &part, &bytes, &last, error);
    }
    if (rc == SYNC_ROW && sync_changes_rows(c) > 0) {
        sqlite3_result_blob64(context, part, bytes, SQLITE_TRANSIENT);
    }
    sync_changes_close(c);
    return rc == SYNC_ROW || rc == SYNC_DONE ? SYNC_OK : rc;
}

static void fn_changeset(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    sync_request request = {0};
    if (argc > 0 && sqlite3_value_type(argv[0]) == SQLITE_INTEGER && sqlite3_value_int64(argv[0]) >= 0) {
        request.version = sqlite3_value_int64(argv[0]);
    } else if (argc > 0 && sqlite3_value_type(argv[0]) == SQLITE_BLOB) {
        request.seen = sqlite3_value_blob(argv[0]);
        request.seen_bytes = (size_t)sqlite3_value_bytes(argv[0]);
        request.seen = request.seen ? request.seen : "";
    } else if (argc > 0) {
        sqlite3_result_error(context,
                             "sync_changeset: a version of this file (integer) or another file's sync_seen() "
                             "(blob) is expected",
                             -1);
        return;
    }
    int rc = sync_operation_read(s, &o, true, &error);
    if (rc == SYNC_OK) {
        rc = give_changeset(context, s, &request, &error);
        rc = sync_operation_end(s, &o, rc, &error);
    }
    if (rc != SYNC_OK) {
        give_error(context, &error);
    }
}

static void fn_apply(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    int64_t changed = 0;
    char text[OPTION_BYTES];
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL) { /* what sync_changeset() gives when there is nothing */
        sqlite3_result_int(context, 0);
        return;
    }
    if (sqlite3_value_type(argv[0]) != SQLITE_BLOB) {
        sqlite3_result_error(context, "sync_apply: a changeset (blob) is expected", -1);
        return;
    }
    static const char *const names[] = {"dry_run"};
    int rc = read_options(s, argc > 1 ? argv[1] : NULL, "sync_apply", names, 1, &text, &error);
    bool dry = text[0] && strcmp(text, "0") != 0 && strcmp(text, "null") != 0;
    const void *blob = sqlite3_value_blob(argv[0]);
    size_t bytes = (size_t)sqlite3_value_bytes(argv[0]);
    rc = rc == SYNC_OK ? sync_operation_write(s, &o, NULL, &error) : rc;
    if (rc == SYNC_OK) {
        if (!s->has_meta) {
            rc = sync_not_tracked(&error);
        }
        rc = rc == SYNC_OK ? sync_apply(s, blob ? blob : "", bytes, &changed, &error) : rc;
        if (rc == SYNC_OK && dry) {
            (void)sync_operation_end(s, &o, SYNC_ERROR, &error); /* rolls back: that is all a dry run is */
        } else {
            rc = sync_operation_end(s, &o, rc, &error);
        }
    }
    if (rc == SYNC_OK) {
        sqlite3_result_int64(context, changed);
    } else {
        give_error(context, &error);
    }
}

static void fn_touch(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sync_db *s = engine_of(context);
    sync_error error = {0};
    sync_operation o = {0};
    (void)argc;
    const char *name = name_argument(context, argv[0], "sync_touch");
    if (name == NULL) {
        return;
    }
    int rc = sync_operation_write(s, &o, NULL, &error);
    if (rc == SYNC_OK) {
        rc = sync_touch(s, name, argv[1], &error);
        finish_int(context, &o, rc, 1, &error);
    } else {
        give_error(context, &error);
    }
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
    if (rc == SYNC_OK) {
        sqlite3_result_text64(context, (const char *)buf.data, buf.len, SQLITE_TRANSIENT, SQLITE_UTF8);
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
                {"sync_site", 0, fn_site},
                {"sync_version", 0, fn_version},
                {"sync_fold", 0, fn_fold},
                {"sync_seen", 0, fn_seen},
                {"sync_changeset", 0, fn_changeset},
                {"sync_changeset", 1, fn_changeset},
                {"sync_apply", 1, fn_apply},
                {"sync_apply", 2, fn_apply},
                {"sync_touch", 2, fn_touch},
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
