/* Lines for people, events for programs. */
#include "log.h"

#include "escape.h"
#include "exits.h"
#include "logline.h"
#include "message.h"
#include "rate.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_CELLS = 24, PROGRESS_US = 100000, LINE_BYTES = 1024 };

static struct {
    pthread_mutex_t mutex;
    bool json;
    bool quiet;
    peer_log_rules rules;
    peer_rate rate;
    sync_buf line; /* being written */
    bool mute;     /* stdout could not be written: a line may be half there, so nothing follows it */
    bool bar;      /* a progress line is on the screen */
    int64_t bar_at_us;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER, .rules = {.level = PEER_LOG_NOTICE}};

void peer_log_init(bool json, bool quiet)
{
    state.json = json;
    state.quiet = quiet;
    state.rules = (peer_log_rules){.level = quiet ? PEER_LOG_ERROR : PEER_LOG_NOTICE};
    setvbuf(stdout, NULL, _IOLBF, 0);
}

void peer_log_shape(const peer_log_rules *rules)
{
    state.rules = *rules;
    state.rules.level = state.quiet ? PEER_LOG_ERROR : rules->level;
}

static void clear_bar(void)
{
    if (state.bar) {
        fputs("\r\033[K", stderr);
        state.bar = false;
    }
}

static void put_line(const char *text)
{
    char line[LINE_BYTES + 16];
    int bytes = snprintf(line, sizeof line, "sync-peer: %s", text);
    bytes = bytes < (int)sizeof line - 1 ? bytes : (int)sizeof line - 2;
    for (int i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)line[i];
        line[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    line[bytes] = '\n';
    clear_bar();
    (void)fwrite(line, 1, (size_t)bytes + 1,
                 stderr); /* at once: lines of several processes may share a terminal */
}

/* A line of the log, from its texts. */
static void say(peer_log_level level, const char *event, const peer_field *fields)
{
    struct timespec now;
    if (level > state.rules.level) {
        return;
    }
    sync_buf_reset(&state.line);
    if (state.rules.format == PEER_LOG_TEXT) {
        if (level == PEER_LOG_EVENT) {
            peer_logline_words(&state.line, event, fields);
        } else {
            peer_escape_nothing(&state.line, fields[0].text);
        }
        sync_buf_put_u8(&state.line, 0);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        peer_logline(&state.line, state.rules.format, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
                     level, event, fields);
    }
    if (state.line.oom) {
        peer_out_of_memory();
    }
    if (state.rules.format == PEER_LOG_TEXT) {
        put_line((const char *)state.line.data);
    } else {
        (void)fwrite(state.line.data, 1, state.line.len, stderr); /* at once, as in put_line */
    }
}

/* What was left out of notices whose minute is over at that time. */
static void settle(int64_t now_ms)
{
    const char *sample;
    char text[LINE_BYTES];
    for (unsigned count; (count = peer_rate_left_out(&state.rate, now_ms, &sample)) > 0;) {
        snprintf(text, sizeof text, "%u more notices like this were left out: %s", count, sample);
        say(PEER_LOG_NOTICE, "omitted",
            (peer_field[]){PEER_TEXT("text", text), PEER_NUMBER("count", count), PEER_END});
    }
}

static void write_out(void)
{
    if (!state.mute && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        char text[LINE_BYTES];
        snprintf(text, sizeof text, "standard output cannot be written: %s", strerror(errno));
        state.mute = true;
        say(PEER_LOG_ERROR, "error", (peer_field[]){PEER_TEXT("text", text), PEER_END});
    }
}

/* With --json, on stdout. */
static void put_event(const char *name, const peer_field *fields)
{
    if (state.mute || !state.json) {
        return;
    }
    sync_buf_reset(&state.line);
    peer_logline_event(&state.line, name, fields);
    if (state.line.oom) {
        peer_out_of_memory();
    }
    (void)fwrite(state.line.data, 1, state.line.len, stdout); /* write_out sees what fails */
    write_out();
}

void peer_notice(const char *format, ...)
{
    char text[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const peer_field fields[] = {PEER_TEXT("text", text), PEER_END};
    const int64_t now_ms = peer_now_ms();
    pthread_mutex_lock(&state.mutex);
    settle(now_ms);
    if (state.rules.level >= PEER_LOG_NOTICE &&
        (!state.rules.given || peer_rate_admits(&state.rate, format, text, now_ms))) {
        say(PEER_LOG_NOTICE, "notice", fields);
    }
    put_event("notice", fields);
    pthread_mutex_unlock(&state.mutex);
}

void peer_error(int code, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&state.mutex);
    say(PEER_LOG_ERROR, "error",
        (peer_field[]){PEER_TEXT("text", text), PEER_NUMBER("code", code), PEER_END});
    put_event("error", (peer_field[]){PEER_NUMBER("code", code), PEER_TEXT("text", text), PEER_END});
    pthread_mutex_unlock(&state.mutex);
}

const char *peer_remedy(int error)
{
    return error == EMFILE   ? "; allow this process more open files (ulimit -n)"
           : error == ENFILE ? "; allow this machine more open files (sysctl fs.file-max)"
                             : "";
}

void peer_event(const char *name, const peer_field *fields)
{
    if (!state.json && state.rules.level < PEER_LOG_EVENT) {
        return;
    }
    pthread_mutex_lock(&state.mutex);
    say(PEER_LOG_EVENT, name, fields);
    put_event(name, fields);
    pthread_mutex_unlock(&state.mutex);
}

void peer_log_settle(void)
{
    pthread_mutex_lock(&state.mutex);
    settle(peer_now_ms());
    pthread_mutex_unlock(&state.mutex);
}

bool peer_log_flush(void)
{
    pthread_mutex_lock(&state.mutex);
    write_out();
    const bool good = !state.mute;
    pthread_mutex_unlock(&state.mutex);
    return good;
}

int peer_log_end(int code)
{
    pthread_mutex_lock(&state.mutex); /* a thread that looks up a name may still be there */
    settle(INT64_MAX);
    write_out();
    sync_buf_free(&state.line);
    bool failed = state.mute;
    pthread_mutex_unlock(&state.mutex);
    return code == PEER_EXIT_OK && failed ? PEER_EXIT_ERROR : code;
}

void peer_progress(int percent, int64_t received_bytes, int64_t received_rows, int64_t sent_bytes, bool done)
{
    if (state.quiet || state.json || !isatty(STDERR_FILENO)) {
        return;
    }
    int64_t now = peer_now_us();
    pthread_mutex_lock(&state.mutex);
    if (done || now - state.bar_at_us >= PROGRESS_US) {
        state.bar_at_us = now;
        char bar[BAR_CELLS + 1];
        memset(bar, ' ', BAR_CELLS);
        memset(bar, '=', (size_t)(percent * BAR_CELLS / 100));
        bar[BAR_CELLS] = 0;
        fprintf(stderr, "\r\033[K[%s] %d %%, received %.1f MiB (%lld rows), sent %.1f MiB%s", bar, percent,
                (double)received_bytes / 1048576.0, (long long)received_rows, (double)sent_bytes / 1048576.0,
                done ? "\n" : "");
        (void)fflush(stderr);
        state.bar = !done;
    }
    pthread_mutex_unlock(&state.mutex);
}
