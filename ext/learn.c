/* What programs did to tracked tables: late columns, columns that are gone or have another name, lost triggers. */
#include "capture.h"

#include "declared.h"
#include "follow.h"

/* A column of its own has the name, here or in the table as it is now. */
static bool has_name(const sync_table *t, const sync_base_table *base, const char *name)
{
    for (uint32_t b = 0; b < base->col_count; b++) {
        if (sqlite3_stricmp(base->cols[b].name, name) == 0) {
            return true;
        }
    }
    for (uint32_t c = 0; c < t->col_count; c++) {
        if (sqlite3_stricmp(t->cols[c].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int learn_declared(sync_db *s, const sync_table *t, sync_error *error)
{
    uint32_t count = 0;
    sync_renaming *renamed = sync_alloc((t->col_count + 1) * sizeof *renamed);
    for (uint32_t c = 0; renamed && c < t->col_count; c++) {
        if (t->cols[c].former) {
            renamed[count++] = (sync_renaming){t->cols[c].former, t->cols[c].name};
        }
    }
    int rc = renamed ? sync_declared_follow(s, t->tid, renamed, count, error) : sync_fail_nomem(error);
    sync_free(renamed);
    return rc;
}

/* Writes down the new names of columns that a program renamed. Their old names, which other files may still use, go on to mean
** them, unless a new column has taken the name. */
static int learn_names(sync_db *s, const sync_table *t, const sync_base_table *base, uint32_t *next,
                       sync_error *error)
{
    int rc = learn_declared(s, t, error);
    for (uint32_t c = 0; rc == SYNC_OK && c < t->col_count; c++) { /* names may go round in a circle */
        rc = t->cols[c].former ? sync_exec(s, error,
                                           "UPDATE main.sync_column SET name = char(1) || cid WHERE tid = %u "
                                           "AND cid = %u",
                                           t->tid, c)
                               : SYNC_OK;
    }
    for (uint32_t c = 0; rc == SYNC_OK && c < t->col_count; c++) {
        const sync_column *col = &t->cols[c];
        if (col->former == NULL) {
            continue;
        }
        int64_t same = (int64_t)col->same - 1 + SYNC_SAME_COLUMN;
        rc = sync_exec(s, error, "UPDATE main.sync_column SET name = %Q WHERE tid = %u AND cid = %u",
                       col->name, t->tid, c);
        if (rc == SYNC_OK && col->same) {
            rc = sync_exec(s, error, "UPDATE main.sync_column SET present = %lld WHERE tid = %u AND cid = %u",
                           (long long)(col->absorb ? -same : same), t->tid, c);
        } else if (rc == SYNC_OK && !has_name(t, base, col->former) && *next < SYNC_COLUMNS_MAX) {
            rc = sync_exec(s, error,
                           "INSERT INTO main.sync_column(tid, cid, name, present) VALUES(%u, %u, %Q, %u)",
                           t->tid, *next, col->former, c + SYNC_SAME_COLUMN);
            *next += 1;
        }
    }
    return rc;
}

static int learn_table(sync_db *s, const sync_table *t, sync_error *error)
{
    sync_arena arena = {0};
    sync_base_table base;
    uint32_t next = t->col_count;
    int rc = sync_schema_read(s, &arena, t->name, &base, error);
    rc = rc == SYNC_OK ? learn_names(s, t, &base, &next, error) : rc;
    for (uint32_t c = 0; rc == SYNC_OK && c < t->col_count; c++) {
        rc = t->cols[c].lost
                 ? sync_exec(s, error, "UPDATE main.sync_column SET present = %d WHERE tid = %u AND cid = %u",
                             SYNC_COLUMN_LOST, t->tid, c)
                 : SYNC_OK;
    }
    for (uint32_t b = 0; rc == SYNC_OK && b < base.col_count; b++) {
        uint32_t cid = 0;
        while (cid < t->col_count && sqlite3_stricmp(t->cols[cid].name, base.cols[b].name) != 0) {
            cid++;
        }
        if (cid == t->col_count) {
            rc = sync_exec(s, error,
                           "INSERT INTO main.sync_column(tid, cid, name, present) VALUES(%u, %u, %Q, 2)",
                           t->tid, next++, base.cols[b].name);
        } else if (!t->cols[cid].present) {
            rc = sync_exec(s, error, "UPDATE main.sync_column SET present = 2 WHERE tid = %u AND cid = %u",
                           t->tid, cid);
        }
    }
    sync_arena_free(&arena);
    return rc;
}

static int note_unseen(sync_db *s, const sync_table *t, sync_error *error)
{
    const sync_env *env = sync_env_get();
    return sync_exec(s, error,
                     "UPDATE main.sync_table SET options = json_set(options, '$.unseen',"
                     " strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', %lld, 'unixepoch')) WHERE tid = %u",
                     (long long)(env->now_ms(env->context) / 1000), t->tid);
}

int sync_capture_learn(sync_db *s, bool noted, sync_error *error)
{
    uint32_t count = 0;
    uint32_t *tids = sync_alloc((s->table_count + 1) * sizeof *tids);
    int rc = tids ? sync_follow_all(s, error) : sync_fail_nomem(error);
    for (uint32_t i = 0; rc == SYNC_OK && i < s->table_count; i++) {
        const sync_table *t = &s->tables[i];
        if (!t->missing && (t->late || t->untriggered)) {
            tids[count++] = t->tid;
            rc = t->late ? learn_table(s, t, error) : SYNC_OK;
            rc = rc == SYNC_OK && noted && t->unseen ? note_unseen(s, t, error) : rc;
        }
    }
    rc = rc == SYNC_OK ? sync_engine_changed(s, false, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
    for (uint32_t i = 0; rc == SYNC_OK && i < count; i++) {
        const sync_table *t = sync_engine_tid(s, tids[i]);
        rc = t ? sync_capture_triggers(s, t, error) : SYNC_OK;
    }
    sync_free(tids);
    return rc == SYNC_OK ? sync_engine_refresh(s, error) : rc;
}
