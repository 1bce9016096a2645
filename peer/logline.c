#include "logline.h"

#include "escape.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void put_number(sync_buf *to, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    peer_escape_nothing(to, text);
}

static const char *text_of(const peer_field *f)
{
    return f->text != NULL ? f->text : "";
}

/* Behind at least one other member. */
static void put_json_fields(sync_buf *to, const peer_field *fields)
{
    for (const peer_field *f = fields; f->kind != PEER_FIELD_END; f++) {
        sync_buf_put_u8(to, ',');
        peer_escape_json(to, f->name);
        sync_buf_put_u8(to, ':');
        if (f->kind == PEER_FIELD_NUMBER) {
            put_number(to, f->number);
        } else {
            peer_escape_json(to, text_of(f));
        }
    }
    peer_escape_nothing(to, "}\n");
}

void peer_logline_event(sync_buf *to, const char *name, const peer_field *fields)
{
    peer_escape_nothing(to, "{\"event\":");
    peer_escape_json(to, name);
    put_json_fields(to, fields);
}

static void put_logfmt_fields(sync_buf *to, const peer_field *fields)
{
    for (const peer_field *f = fields; f->kind != PEER_FIELD_END; f++) {
        sync_buf_put_u8(to, ' ');
        peer_escape_nothing(to, f->name);
        sync_buf_put_u8(to, '=');
        if (f->kind == PEER_FIELD_NUMBER) {
            put_number(to, f->number);
        } else {
            peer_escape_logfmt(to, text_of(f));
        }
    }
}

void peer_logline_words(sync_buf *to, const char *name, const peer_field *fields)
{
    peer_escape_nothing(to, name);
    put_logfmt_fields(to, fields);
}

void peer_logline(sync_buf *to, peer_log_format format, int64_t unix_ms, peer_log_level level,
                  const char *event, const peer_field *fields)
{
    static const char *const levels[] = {
        [PEER_LOG_ERROR] = "error", [PEER_LOG_NOTICE] = "notice", [PEER_LOG_EVENT] = "event"};
    const bool json = format == PEER_LOG_JSON;
    const time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc = {0};
    char head[128], day[32];
    (void)gmtime_r(&seconds, &utc); /* it fails beyond the years that an int holds */
    day[strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc)] = 0;
    snprintf(head, sizeof head,
             json ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":\"%s\""
                  : "time=%s.%03dZ level=%s event=%s",
             day, (int)(unix_ms % 1000), levels[level], event);
    peer_escape_nothing(to, head);
    if (json) {
        put_json_fields(to, fields);
    } else {
        put_logfmt_fields(to, fields);
        sync_buf_put_u8(to, '\n');
    }
}
