/* Members of rooms as a load: websockets that ask for changes, acknowledge them and keep no file. One thread. */
#ifndef LOAD_MEMBER_H
#define LOAD_MEMBER_H

#include "frame.h"

/* What all members ask with: the sync_seen() of a copy of the rooms' file. Each puts an id of its own into it. */
typedef struct load_seen {
    const void *blob;
    size_t bytes;
} load_seen;

typedef struct load_member {
    int fd;
    int room;        /* index */
    uint64_t deltas; /* whole ones that came */
    uint64_t frames; /* messages of any kind that came */
    uint64_t weight; /* of Changes consumed */
    bool caught_up;  /* the peer has said that there is nothing more */
    uint8_t *in;     /* what came and is not a whole message yet */
    size_t in_bytes, in_cap;
} load_member;

/* A delta's part came: its changeset, for the time of the call. */
typedef void load_on_changes(void *context, load_member *m, const uint8_t *changeset, size_t bytes);

/* Connects to ws://127.0.0.1:port/room_name and asks for changes; ends the process with a line where that fails. */
void member_open(load_member *m, int port, int room, const char *room_name, const load_seen *seen);

/* Reads what is there and answers it; ends the process with a line where the peer ends the link or says what no peer may. */
void member_read(load_member *m, load_on_changes *on_changes, void *context);

void member_close(load_member *m);

/* "load: ..." to stderr, and the end of the process. */
_Noreturn void load_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
