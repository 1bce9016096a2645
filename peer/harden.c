#include "harden.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct bound {
    int what, most;
} bound;

static const bound bounds[] = {{SQLITE_LIMIT_ATTACHED, PEER_SQL_ATTACHED_MAX},
                               {SQLITE_LIMIT_WORKER_THREADS, PEER_SQL_WORKERS_MAX},
                               {SQLITE_LIMIT_EXPR_DEPTH, PEER_SQL_EXPR_DEPTH_MAX},
                               {SQLITE_LIMIT_FUNCTION_ARG, PEER_SQL_FUNCTION_ARGS_MAX},
                               {SQLITE_LIMIT_TRIGGER_DEPTH, PEER_SQL_TRIGGER_DEPTH_MAX}};

static int configure(sqlite3 *db, int what, int value)
{
    return sqlite3_db_config(db, what, value, NULL);
}

int peer_harden(sqlite3 *db)
{
    int rc = configure(db, SQLITE_DBCONFIG_DEFENSIVE, 1);
    rc = rc == SQLITE_OK ? sqlite3_enable_load_extension(db, 0) : rc;
    rc = rc == SQLITE_OK ? configure(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0) : rc;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        if (sqlite3_limit(db, bounds[i].what, -1) > bounds[i].most) {
            sqlite3_limit(db, bounds[i].what, bounds[i].most);
        }
    }
    return rc == SQLITE_OK ? sqlite3_exec(db, "PRAGMA cell_size_check = ON", NULL, NULL, NULL) : rc;
}

int peer_harden_trust(sqlite3 *db)
{
    static const char sql[] = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND "
                              "rootpage = 0)"; /* a virtual one has no page */
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    int trusted = rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) != 0;
    int finished = sqlite3_finalize(stmt);
    rc = rc == SQLITE_OK ? finished : rc;
    int set = configure(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, trusted);
    return rc == SQLITE_OK ? set : rc;
}

/* ---- what triggers and views may do */

/* Functions that reach beyond the file, or take pointers. */
static bool is_dangerous(const char *function)
{
    return sqlite3_stricmp(function, "load_extension") == 0 ||
           sqlite3_stricmp(function, "fts3_tokenizer") == 0;
}

/* `cause` is the innermost trigger or view that the access is part of; NULL: it is our own statement's. */
static int authorize(void *context, int what, const char *one, const char *two, const char *schema,
                     const char *cause)
{
    (void)context;
    bool main = schema == NULL || strcmp(schema, "main") == 0;
    bool allowed = true;
    if (cause == NULL) {
        return SQLITE_OK;
    }
    switch (what) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        break;
    case SQLITE_READ: /* tables named so are PRAGMAs, which tell of more than this file */
        allowed = main && sqlite3_strnicmp(one, "pragma_", 7) != 0;
        break;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        allowed = main;
        break;
    case SQLITE_FUNCTION:
        allowed = !is_dangerous(two);
        break;
    default: /* PRAGMA, ATTACH, all that changes a schema or a transaction: no trigger can say it that SQLite made */
        allowed = false;
        break;
    }
    return allowed ? SQLITE_OK : SQLITE_DENY;
}

/* ---- how long a statement may take */

static int64_t processor_us(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* Linux has it */
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Is it still on that run? It may have been finalized, and another one made in its place. */
static bool goes_on(const peer_guarded *one, sqlite3_stmt *stmt, int run)
{
    return one->stmt == stmt && one->run == run;
}

/* Called every PEER_GUARD_STEPS steps of any statement. Those that only read end by themselves: they read tables of the file, not its views.
** Operations of ours that run many statements, one by one, are none that write. */
static int on_progress(void *context)
{
    peer_guard *g = context;
    peer_guarded now[PEER_GUARD_STATEMENTS] = {{0}};
    const int64_t us = processor_us();
    size_t count = 0;
    bool over = false;
    for (sqlite3_stmt *s = sqlite3_next_stmt(g->db, NULL); s != NULL && count < PEER_GUARD_STATEMENTS;
         s = sqlite3_next_stmt(g->db, s)) {
        if (!sqlite3_stmt_busy(s) || sqlite3_stmt_readonly(s)) {
            continue;
        }
        peer_guarded *one = &now[count++];
        *one = (peer_guarded){
            .stmt = s, .run = sqlite3_stmt_status(s, SQLITE_STMTSTATUS_RUN, 0), .since_us = us};
        for (size_t i = 0; i < PEER_GUARD_STATEMENTS; i++) {
            one->since_us = goes_on(&g->running[i], s, one->run) ? g->running[i].since_us : one->since_us;
        }
        if (us - one->since_us > g->statement_us) {
            over = true;
            (void)snprintf(g->over, sizeof g->over, "%s", sqlite3_sql(s));
        }
    }
    memcpy(g->running, now, sizeof now);
    return over;
}

int peer_harden_writer(peer_guard *g, sqlite3 *db, int64_t statement_s)
{
    int rc = SQLITE_OK;
    *g = (peer_guard){.db = db, .statement_us = statement_s * 1000000};
    if (statement_s > 0) {
        sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PEER_SQL_LIKE_BYTES_MAX);
        sqlite3_progress_handler(db, PEER_GUARD_STEPS, on_progress, g);
        rc = sqlite3_set_authorizer(db, authorize, NULL);
    }
    return rc == SQLITE_OK ? peer_harden_trust(db) : rc;
}
