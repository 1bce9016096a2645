/* Messages, queues, shared bytes. */
#include "message.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void peer_out_of_memory(void)
{
    static const char text[] = "sync-peer: out of memory\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    _exit(1);
}

void *peer_new(size_t bytes)
{
    void *block = calloc(1, bytes);
    if (block == NULL) {
        peer_out_of_memory();
    }
    return block;
}

char *peer_strdup(const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        peer_out_of_memory();
    }
    return copy;
}

char *peer_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        peer_out_of_memory();
    }
    va_end(arguments);
    return text;
}

int64_t peer_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t peer_now_ms(void)
{
    return peer_now_us() / 1000;
}

peer_bytes *peer_bytes_take(sync_buf *buf)
{
    peer_bytes *bytes = peer_new(sizeof *bytes);
    atomic_init(&bytes->references, 1);
    bytes->buf = *buf;
    *buf = (sync_buf){0};
    return bytes;
}

peer_bytes *peer_bytes_share(peer_bytes *bytes)
{
    atomic_fetch_add_explicit(&bytes->references, 1, memory_order_relaxed);
    return bytes;
}

void peer_bytes_drop(peer_bytes *bytes)
{
    if (bytes != NULL && atomic_fetch_sub_explicit(&bytes->references, 1, memory_order_acq_rel) == 1) {
        sync_buf_free(&bytes->buf);
        free(bytes);
    }
}

peer_debt *peer_debt_new(void)
{
    peer_debt *debt = peer_new(sizeof *debt);
    atomic_init(&debt->references, 1);
    return debt;
}

void peer_debt_drop(peer_debt *debt)
{
    if (debt != NULL && atomic_fetch_sub_explicit(&debt->references, 1, memory_order_acq_rel) == 1) {
        free(debt);
    }
}

peer_message *peer_message_new(peer_kind kind, uint64_t link)
{
    peer_message *m = peer_new(sizeof *m);
    m->kind = kind;
    m->link = link;
    return m;
}

void peer_message_free(peer_message *m)
{
    if (m != NULL) {
        if (m->debt != NULL) {
            atomic_fetch_sub(&m->debt->bytes, m->bytes->buf.len + sizeof *m);
            peer_debt_drop(m->debt);
        }
        peer_bytes_drop(m->bytes);
        peer_lag_drop(m->lag);
        free(m->text);
        free(m->user);
        free(m->tables);
        free(m);
    }
}

void peer_message_owe(peer_message *m, peer_debt *debt)
{
    atomic_fetch_add_explicit(&debt->references, 1, memory_order_relaxed);
    atomic_fetch_add(&debt->bytes, m->bytes->buf.len + sizeof *m);
    m->debt = debt;
}

struct peer_queue {
    pthread_mutex_t mutex;
    peer_message *first;
    peer_message **end;
    void (*wake)(void *context);
    void *context;
};

peer_queue *peer_queue_new(void (*wake)(void *context), void *context)
{
    peer_queue *q = peer_new(sizeof *q);
    if (pthread_mutex_init(&q->mutex, NULL) != 0) {
        peer_out_of_memory();
    }
    q->end = &q->first;
    q->wake = wake;
    q->context = context;
    return q;
}

void peer_queue_free(peer_queue *q)
{
    if (q == NULL) {
        return;
    }
    for (peer_message *m = peer_queue_take_all(q), *next; m != NULL; m = next) {
        next = m->next;
        peer_message_free(m);
    }
    pthread_mutex_destroy(&q->mutex);
    free(q);
}

void peer_queue_put(peer_queue *q, peer_message *m)
{
    m->next = NULL;
    pthread_mutex_lock(&q->mutex);
    bool empty = q->first == NULL;
    *q->end = m;
    q->end = &m->next;
    pthread_mutex_unlock(&q->mutex);
    if (empty) {
        q->wake(q->context);
    }
}

peer_message *peer_queue_take_all(peer_queue *q)
{
    pthread_mutex_lock(&q->mutex);
    peer_message *first = q->first;
    q->first = NULL;
    q->end = &q->first;
    pthread_mutex_unlock(&q->mutex);
    return first;
}
