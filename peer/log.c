/* Lines for people, events for programs. */
#include "log.h"

#include "exits.h"
#include "json.h"
#include "message.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR_CELLS = 24, PROGRESS_US = 100000, LINE_BYTES = 1024 };

static struct {
    pthread_mutex_t mutex;
    bool json;
    bool quiet;
    bool mute; /* stdout could not be written: a line may be half there, so nothing follows it */
    bool bar;  /* a progress line is on the screen */
    int64_t bar_at_us;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void peer_log_init(bool json, bool quiet)
{
    state.json = json;
    state.quiet = quiet;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

/* Bytes of the UTF-8 character that `text` begins with; 0: it begins with none. */
static size_t character(const char *text)
{
    for (size_t bytes = 1; bytes <= 4 && text[bytes - 1] != 0; bytes++) {
        if (sync_is_text(text, bytes)) {
            return bytes;
        }
    }
    return 0;
}

/* Names of files and what the other side says may be any bytes; JSON is UTF-8. */
static void put_json(FILE *to, const char *text)
{
    fputc('"', to);
    for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
        size_t bytes = character((const char *)c);
        if (bytes == 0) {
            fputs("\\ufffd", to);
        } else if (bytes > 1) {
            fwrite(c, 1, bytes, to);
            c += bytes - 1;
        } else if (*c == '"' || *c == '\\') {
            fprintf(to, "\\%c", *c);
        } else if (*c < 0x20 || *c == 0x7f) {
            fprintf(to, "\\u%04x", *c);
        } else {
            fputc(*c, to);
        }
    }
    fputc('"', to);
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
    fwrite(line, 1, (size_t)bytes + 1, stderr); /* at once: lines of several processes may share a terminal */
}

static void write_out(void)
{
    if (!state.mute && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        char text[LINE_BYTES];
        snprintf(text, sizeof text, "standard output cannot be written: %s", strerror(errno));
        state.mute = true;
        put_line(text);
    }
}

static void put_event(const char *name, const peer_field *fields)
{
    if (state.mute) {
        return;
    }
    fputs("{\"event\":", stdout);
    put_json(stdout, name);
    for (const peer_field *f = fields; f->kind != PEER_FIELD_END; f++) {
        fprintf(stdout, ",\"%s\":", f->name);
        if (f->kind == PEER_FIELD_NUMBER) {
            fprintf(stdout, "%lld", (long long)f->number);
        } else {
            put_json(stdout, f->text != NULL ? f->text : "");
        }
    }
    fputs("}\n", stdout);
    write_out();
}

void peer_notice(const char *format, ...)
{
    char text[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&state.mutex);
    if (!state.quiet) {
        put_line(text);
    }
    if (state.json) {
        put_event("notice", (peer_field[]){PEER_TEXT("text", text), PEER_END});
    }
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
    put_line(text);
    if (state.json) {
        put_event("error", (peer_field[]){PEER_NUMBER("code", code), PEER_TEXT("text", text), PEER_END});
    }
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
    if (!state.json) {
        return;
    }
    pthread_mutex_lock(&state.mutex);
    put_event(name, fields);
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
    write_out();
    return code == PEER_EXIT_OK && state.mute ? PEER_EXIT_ERROR : code;
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
        fflush(stderr);
        state.bar = !done;
    }
    pthread_mutex_unlock(&state.mutex);
}
