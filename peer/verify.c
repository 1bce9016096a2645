#include "verify.h"

#include "exits.h"
#include "fetching.h"
#include "log.h"
#include "message.h"
#include "verify_internal.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct verification {
    peer_file files[PEER_BOTH];
    peer_fetched fetched; /* B, if it is a room */
    peer_report report;
    peer_repair *repair; /* NULL: not asked for */
    int64_t counts[PEER_KINDS];
    int64_t listed; /* of the table in hand */
    int64_t left;   /* not touched since the files have to meet first */
    bool differs;
    peer_failure failure;
} verification;

static bool found(void *context, const peer_difference *d, peer_failure *f)
{
    verification *v = context;
    bool left = false;
    v->counts[d->kind]++;
    if (v->listed < v->report.limit) {
        v->listed++;
        peer_report_difference(&v->report, d);
    }
    bool good = v->repair == NULL || peer_repair_note(v->repair, d, &left, f);
    v->left += left;
    return good;
}

/* What is not listed of a table is counted; in JSON its sum says so. */
static void report_rest(const verification *v, const char *table)
{
    int64_t sum = 0;
    for (int i = 0; i < PEER_KINDS; i++) {
        sum += v->counts[i];
    }
    if (sum > v->listed && !v->report.json) {
        char *text = peer_format("... and %lld more", (long long)(sum - v->listed));
        peer_report_table(&v->report, table, text);
        free(text);
    }
}

static bool compare(verification *v, const peer_pair *pair)
{
    peer_sums sums[PEER_BOTH] = {{.rows = 0}, {.rows = 0}};
    bool good = true;
    v->listed = 0;
    for (int i = 0; i < PEER_KINDS; i++) {
        v->counts[i] = 0;
    }
    for (int side = 0; good && side < PEER_BOTH; side++) {
        good = peer_sums_read(&v->files[side], pair, side, &sums[side], &v->failure);
    }
    good = good && peer_walk(v->files, pair, sums, found, v, &v->failure);
    if (good) {
        const int64_t rows[PEER_BOTH] = {sums[PEER_A].rows, sums[PEER_B].rows};
        report_rest(v, pair->table[PEER_A]);
        peer_report_sum(&v->report, pair, rows, v->counts);
    }
    for (int i = 0; i < PEER_KINDS; i++) {
        v->differs = v->differs || v->counts[i] > 0;
    }
    sync_free(sums[PEER_A].block);
    sync_free(sums[PEER_B].block);
    return good;
}

static bool compare_all(verification *v)
{
    peer_pairs pairs;
    bool good = peer_pairs_read(v->files, &pairs, &v->failure);
    for (size_t i = 0; good && i < pairs.count; i++) {
        const peer_pair *p = &pairs.list[i];
        if (p->table[PEER_A] == NULL || p->table[PEER_B] == NULL) {
            int where = p->table[PEER_A] != NULL ? PEER_A : PEER_B;
            char *text = peer_format("tracked only in %s", v->files[where].name);
            peer_report_table(&v->report, p->table[where], text);
            free(text);
        } else if (p->differs != NULL) {
            peer_report_table(&v->report, p->table[PEER_A], p->differs);
        }
        v->differs = v->differs || p->differs != NULL || p->table[PEER_A] == NULL || p->table[PEER_B] == NULL;
        good = !p->comparable || compare(v, p);
    }
    peer_pairs_free(&pairs);
    return good;
}

/* Both files as they are at one moment each. */
static bool read_both(verification *v, bool repairing)
{
    bool good = true;
    int64_t ignored;
    for (int side = 0; good && side < PEER_BOTH; side++) { /* a snapshot begins with the first thing read */
        good = peer_file_run(&v->files[side], "BEGIN", &v->failure) &&
               peer_file_ask(&v->files[side], "SELECT count(*) FROM main.sync_meta", &ignored, &v->failure);
    }
    if (good && repairing) {
        v->repair = peer_repair_new(v->files, &v->failure);
        good = v->repair != NULL;
    }
    good = good && compare_all(v);
    for (int side = 0; side < PEER_BOTH; side++) {
        if (sqlite3_get_autocommit(v->files[side].db) == 0) {
            good = peer_file_run(&v->files[side], "ROLLBACK", &v->failure) && good;
        }
    }
    return good;
}

static bool repair(verification *v)
{
    const char *a = v->files[PEER_A].name, *b = v->files[PEER_B].name;
    peer_repaired done;
    if (!peer_repair_do(v->repair, &v->report, &done, &v->failure)) {
        return false;
    }
    if (done.touched > 0) {
        peer_notice("%lld rows touched in %s; let the files meet, and %s gets them as they are there",
                    (long long)done.touched, a, b);
    }
    if (done.restored > 0) {
        peer_notice("%lld rows put back into %s", (long long)done.restored, b);
    }
    if (done.refused > 0) {
        peer_notice(
            "%lld rows were not put back into %s: a constraint is in the way, of rows that are to go first "
            "perhaps; let the files meet, and try again",
            (long long)done.refused, b);
    }
    if (v->left > 0) {
        peer_notice(
            "%lld rows were left alone: the files have changes for each other; let them meet, and then see",
            (long long)v->left);
    }
    return true;
}

static bool open_both(verification *v, const peer_words *w)
{
    const char *path[PEER_BOTH] = {w->file[PEER_A], w->file[PEER_B]};
    if (peer_fetching_is_url(path[PEER_B])) {
        if (!peer_file_open(&v->files[PEER_A], path[PEER_A],
                            &v->failure)) { /* before a room is fetched for nothing */
            return false;
        }
        peer_file_close(&v->files[PEER_A]);
        if (!peer_fetching_run(path[PEER_B], w, &v->fetched, &v->failure)) {
            return false;
        }
        path[PEER_B] = v->fetched.path;
    }
    for (int side = 0; side < PEER_BOTH; side++) {
        if (!peer_file_open(&v->files[side], path[side], &v->failure)) {
            return false;
        }
    }
    v->files[PEER_B].name = w->file[PEER_B];
    if (v->files[PEER_A].device == v->files[PEER_B].device &&
        v->files[PEER_A].inode == v->files[PEER_B].inode) {
        return peer_fail(&v->failure, PEER_EXIT_USAGE, "%s and %s are the same file", v->files[PEER_A].name,
                         v->files[PEER_B].name);
    }
    return true;
}

int peer_verify_run(const peer_words *w)
{
    verification v = {.failure = {0}};
    const bool repairing = w->value[PEER_WORD_REPAIR] != NULL;
    v.report = (peer_report){.files = v.files,
                             .json = w->value[PEER_WORD_JSON] != NULL,
                             .limit = w->value[PEER_WORD_LIMIT] != NULL ? w->number[PEER_WORD_LIMIT]
                                                                        : PEER_VERIFY_SHOWN};
    const bool room = peer_fetching_is_url(w->file[PEER_B]);
    if (peer_fetching_is_url(w->file[PEER_A])) {
        return peer_command_usage("verify takes a URL as B, not as A");
    }
    if (room && repairing) {
        return peer_command_usage("verify --repair needs two files: it writes to both");
    }
    bool good = open_both(&v, w) && read_both(&v, repairing) && (!repairing || repair(&v));
    peer_repair_free(v.repair);
    for (int side = 0; side < PEER_BOTH; side++) {
        peer_file_close(&v.files[side]);
    }
    peer_fetching_drop(&v.fetched);
    if (!good) {
        peer_error(v.failure.code, "%s", v.failure.text);
        return v.failure.code;
    }
    return v.differs ? PEER_EXIT_DIFFER : PEER_EXIT_OK;
}
