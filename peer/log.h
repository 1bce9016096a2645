/* What sync-peer says: lines for people or programs on stderr, events as JSON lines on stdout. Any thread. */
#ifndef PEER_LOG_H
#define PEER_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum peer_log_format { PEER_LOG_TEXT, PEER_LOG_LOGFMT, PEER_LOG_JSON } peer_log_format;

/* Each with those before it. */
typedef enum peer_log_level { PEER_LOG_ERROR, PEER_LOG_NOTICE, PEER_LOG_EVENT } peer_log_level;

/* How a configuration wants stderr. */
typedef struct peer_log_rules {
    bool given; /* false: text and notices, as many as there are */
    peer_log_format format;
    peer_log_level level;
} peer_log_rules;

/* json: events go to stdout. quiet: no notices. Before other threads are started. */
void peer_log_init(bool json, bool quiet);

/* Behind peer_log_init, whose `quiet` goes before the level; from now on the same notice comes on stderr PEER_LOG_SAME_MAX times in a minute. Before other
** threads are started. */
void peer_log_shape(const peer_log_rules *rules);

/* Says of which notices some were left out in a minute that is over. To be called now and then: who says something does so as well. */
void peer_log_settle(void);

/* One line "sync-peer: ..." on stderr, or one of the format that was asked for, and with --json an event {"event":"notice"|"error","text":...}. Control
** characters of the text, which may come from elsewhere, are replaced or escaped. `format` is a constant: by where it stands notices are the same. */
void peer_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
void peer_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What to do about an errno, to be put behind its words; "" where nothing special is known. */
const char *peer_remedy(int error);

/* Writes out what is in stdout's buffer, for who prints there himself. False: it cannot be written, which is said once. */
bool peer_log_flush(void);

/* Says what was left out, and writes out what is left for stdout. The exit code of a process that would end with `code`: another one where that was 0 and stdout
** could not be written. */
int peer_log_end(int code);

/* Fields of an event, ended by PEER_END. */
typedef enum peer_field_kind { PEER_FIELD_END, PEER_FIELD_TEXT, PEER_FIELD_NUMBER } peer_field_kind;
typedef struct peer_field {
    peer_field_kind kind;
    const char *name;
    const char *text;
    int64_t number;
} peer_field;
#define PEER_TEXT(n, t)   ((peer_field){PEER_FIELD_TEXT, n, t, 0})
#define PEER_NUMBER(n, v) ((peer_field){PEER_FIELD_NUMBER, n, NULL, v})
#define PEER_END          ((peer_field){PEER_FIELD_END, NULL, NULL, 0})

/* {"event":NAME,fields...} on stdout if --json was given, and a line on stderr where events were asked for there. */
void peer_event(const char *name, const peer_field *fields);

/* How far --once has come, on one line of stderr that is written over; only if stderr is a terminal. `done` ends it. */
void peer_progress(int percent, int64_t received_bytes, int64_t received_rows, int64_t sent_bytes, bool done);

#endif
