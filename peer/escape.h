/* Texts from elsewhere (names, reasons, addresses) in formats that have quotes and lines of their own: whatever bytes they are, they end neither. What is no
** UTF-8 comes as U+FFFD. Pure. Each appends to `to`, whose `oom` the owner asks for at the end. */
#ifndef PEER_ESCAPE_H
#define PEER_ESCAPE_H

#include "mem.h"

/* A JSON string, with its quotes. Control characters, also those of C1, and the line ends U+2028 and U+2029 are written as \uXXXX. */
void peer_escape_json(sync_buf *to, const char *text);

/* A value of logfmt: as it is where it is made of A-Z a-z 0-9 . _ : / @ + -, else as a JSON string. */
void peer_escape_logfmt(sync_buf *to, const char *text);

/* A label's value of the Prometheus text format, without its quotes: a backslash, a quote and a line feed with a backslash in front, other control
** characters as U+FFFD. */
void peer_escape_label(sync_buf *to, const char *text);

/* A text without quotes or escapes, as its bytes are. */
void peer_escape_nothing(sync_buf *to, const char *text);

#endif
