/* Lines of the log and events, for programs: as JSON, or as logfmt (key=value). Whatever the texts are, one call gives one line. Pure. */
#ifndef PEER_LOGLINE_H
#define PEER_LOGLINE_H

#include "log.h"
#include "mem.h"

/* Appends {"event":NAME,fields...} and a line feed. The owner of `to` asks for its oom. */
void peer_logline_event(sync_buf *to, const char *name, const peer_field *fields);

/* Appends time, level, event and the fields, as `format` says (not PEER_LOG_TEXT), and a line feed. unix_ms: the time in ms since 1970, which is written in UTC.
** The same. */
void peer_logline(sync_buf *to, peer_log_format format, int64_t unix_ms, peer_log_level level,
                  const char *event, const peer_field *fields);

/* Appends NAME key=value..., without a line feed: an event for people. The same. */
void peer_logline_words(sync_buf *to, const char *name, const peer_field *fields);

#endif
