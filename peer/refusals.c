/* What was refused of somebody's changes, told to him until he says that he knows; and what others refused of this file's. */
#include "room_internal.h"

#include "log.h"
#include "seen.h"

#include <stdlib.h>

/* ---- of theirs */

void peer_refusals_tell(peer_room *r, peer_link *l)
{
    peer_ruling *ruling = l->ruling;
    uint8_t author[16];
    void *report = NULL;
    size_t bytes = 0;
    char *error = NULL;
    if (ruling == NULL || !ruling->report_due || !l->takes || l->closing ||
        !peer_seen_site(&l->theirs, author)) {
        return;
    }
    int rc = sync_refused_next(r->database.db, author, &ruling->report_at, &ruling->report, &report, &bytes,
                               &error);
    ruling->report_due = rc == SQLITE_OK && ruling->report != 0;
    if (ruling->report_due) {
        char *text = peer_format("the rules of room %s do not allow it", r->options->room);
        sync_frame frame = {.type = SYNC_FRAME_REJECT, .payload = report, .payload_bytes = bytes};
        frame.reject.stream = (uint64_t)ruling->report;
        frame.reject.reason = SYNC_REJECT_RULED;
        frame.reject.text = sync_frame_text_of(text);
        peer_room_send(r, l, &frame);
        free(text);
    } else if (rc != SQLITE_OK) {
        peer_fail(&r->failure, peer_exit_of(rc), "%s: what was refused cannot be read: %s", r->database.path,
                  error != NULL ? error : sqlite3_errstr(rc));
    }
    sqlite3_free(error);
    sqlite3_free(report);
}

void peer_refusals_known(peer_room *r, peer_link *l, uint64_t report)
{
    uint8_t author[16];
    char *error = NULL;
    if (l->ruling != NULL && peer_seen_site(&l->theirs, author)) {
        (void)sync_refused_known(r->database.db, author, (int64_t)report,
                                 &error); /* what fails is told once more */
        sqlite3_free(error);
    }
}

/* ---- of nobody's: rows that wait here for a number, since whoever gave them theirs may not be told who else has it */

void peer_refusals_renumber(peer_room *r)
{
    char *error = NULL;
    int64_t entries = 0;
    if (r->options->rules.count > 0) {
        int rc = sync_renumber_held(r->database.db, &entries, &error);
        if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) { /* then after the next merge */
            peer_fail(&r->failure, peer_exit_of(rc), "%s: rows cannot be numbered anew: %s", r->database.path,
                      error != NULL ? error : sqlite3_errstr(rc));
        }
        sqlite3_free(error);
    }
}

/* ---- of ours */

void peer_refusals_take(peer_link *l, uint64_t report, const char *text, size_t text_bytes,
                        const sync_buf *payload)
{
    peer_report *one = peer_new(sizeof *one);
    peer_report **end = &l->reports;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    one->number = report;
    one->text = peer_format("%s: %.*s", l->name, (int)text_bytes, text);
    if (!peer_buf_set(&one->rows, payload->data, payload->len)) {
        peer_out_of_memory();
    }
    *end = one;
}

void peer_report_free(peer_report *report)
{
    sync_buf_free(&report->rows);
    free(report->text);
    free(report);
}

/* False: the file is locked. */
static bool note(peer_room *r, peer_link *l, const peer_report *report)
{
    char *error = NULL;
    int64_t rows = 0;
    int rc =
        sync_note_refused(r->database.db, report->rows.data, report->rows.len, report->text, &rows, &error);
    if ((rc & 0xff) == SQLITE_BUSY && rc < SYNC_EXT_BEHIND) {
        sqlite3_free(error);
        return false;
    }
    if (rc != SQLITE_OK) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_CHANGES, PEER_EXIT_ERROR,
                             "what it refused cannot be noted: %s",
                             error != NULL ? error : sqlite3_errstr(rc));
    } else {
        sync_frame frame = {.type = SYNC_FRAME_REJECT};
        frame.reject.stream = report->number;
        frame.reject.reason = SYNC_REJECT_KNOWN;
        peer_notice("%lld rows were refused, and stay in this file; sync_conflict lists them: %s",
                    (long long)rows, report->text);
        peer_room_send(r, l, &frame);
    }
    sqlite3_free(error);
    return true;
}

bool peer_refusals_note(peer_room *r)
{
    bool free_to = true;
    for (peer_link *l = r->links; l != NULL && free_to; l = l->next) {
        while (l->reports != NULL && (l->closing || (free_to = note(r, l, l->reports)))) {
            peer_report *report = l->reports;
            l->reports = report->next;
            peer_report_free(report);
        }
    }
    return free_to;
}
