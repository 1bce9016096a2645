/* Messages of sync.v1 as bytes (docs/PROTOCOL.md, "Frames"). Pure.
**
** One websocket message is one frame:
**
**   u8 type | u8 flags | the type's fields | payload | u64 check
**
** flags: bit 0 "more": the payload goes on in the next frame of the same type; other bits are zero.
** Fields stand in the order of the lists below: varint (mem.h), site (16 bytes), text (varint length, bytes).
** The payload is what is left before the check; a type without payload has none.
** check: sync_frame_check() of everything before it, big endian. Any change within one 8-byte word is found.
*/
#ifndef SYNC_FRAME_H
#define SYNC_FRAME_H

#include "mem.h"
#include "status.h"

/* The version of sync.v1 that this code speaks; a larger one in AnnouncePresence is refused. */
#define SYNC_PROTOCOL_VERSION 1

/* Name of a reader: every field list is written once and gives the struct, the encoder and the decoder. */
#define SYNC_FIELDS_ANNOUNCE(X)                                                                              \
    X(varint, protocol) /* first, so that it can be read whatever a later version puts behind it */          \
    X(site, site)       /* zeros: a file that does not exist yet (clone) */                                  \
    X(text, room)                                                                                            \
    X(text, software)                                                                                        \
    X(varint, rights)        /* what the receiver may do here: sync_peer_right; unknown ones are ignored */
#define SYNC_FIELDS_START(X) /* payload: the sender's sync_seen() */
#define SYNC_FIELDS_CHANGES(X)                                                                               \
    X(varint, stream) /* number of the delta in this direction of this link, from 1 */                       \
    X(varint, part)   /* from 0 */                                                                           \
    X(varint, kind)   /* sync_changes_kind; payload: a changeset, or the sender's sync_seen() */             \
    X(varint, left)   /* rows and journal entries that come behind this part in its delta; an estimate */
#define SYNC_FIELDS_REJECT(X)                                                                                \
    X(varint, stream)                                                                                        \
    X(varint, reason) /* sync_reject_reason; payload: the sender's sync_seen() */                            \
    X(text, text)
#define SYNC_FIELDS_ACK(X)                                                                                   \
    X(varint, stream)                                                                                        \
    X(varint, parts) /* parts of this stream that are merged */                                              \
    X(varint, bytes) /* weight of Changes and Snapshot consumed on this link, all streams together */
#define SYNC_FIELDS_PING(X)           X(varint, token)
#define SYNC_FIELDS_PONG(X)           X(varint, token)
#define SYNC_FIELDS_ERROR(X)          X(varint, code) X(text, text)
#define SYNC_FIELDS_SCHEMA_REQUEST(X) /* nothing */
#define SYNC_FIELDS_SCHEMA(X)         /* payload: clone.h's schema */
#define SYNC_FIELDS_CREATE_DB(X)      /* payload: clone.h's schema */
#define SYNC_FIELDS_APPLY(                                                                                   \
    X) /* what a member has sent to a follower, for the primary; answered by Ack or RejectChanges */         \
    X(varint, stream) /* numbered with those of Changes */                                                   \
    X(varint, part)                                                                                          \
    X(varint,                                                                                                \
      kind) /* sync_changes_kind, below SYNC_CHANGES_HOLDS; payload: the member's changeset, as it came */   \
    X(varint, left)
#define SYNC_FIELDS_SNAPSHOT_REQUEST(X)                                                                      \
    X(site, id)       /* of the snapshot that some of is there already; zeros: none is */                    \
    X(varint, offset) /* how much of it */
#define SYNC_FIELDS_SNAPSHOT(X)                                                                              \
    X(site, id)       /* of the snapshot; zeros: there is none to be had */                                  \
    X(varint, size)   /* of all of it */                                                                     \
    X(varint, file)   /* so much of that is the database file; a schema (clone.h) follows */                 \
    X(varint, offset) /* of this chunk */                                                                    \
    X(varint,                                                                                                \
      bytes)      /* ... and its length; payload: the chunk, as one zstd frame if it is of another length */ \
    X(text, hash) /* SHA-256 of all of it with the last chunk, else empty */
#define SYNC_FIELDS_PRESENCE(X)                                                                              \
    X(site, peer)      /* whose members these are: not always the sender's */                                \
    X(varint, counter) /* of what that peer tells: the newest counts */                                      \
    X(varint, age)     /* milliseconds since it was told there */                                            \
    X(varint, members) /* how many there are; payload: as many of them as are told of */                     \
    X(text, name)      /* of that peer, for people */

/* X(NAME, member, number, name for people, may it have a payload) */
#define SYNC_FRAMES(X)                                                                                       \
    X(ANNOUNCE, announce, 1, "AnnouncePresence", 0)                                                          \
    X(START, start, 2, "StartStreaming", 1)                                                                  \
    X(CHANGES, changes, 3, "Changes", 1)                                                                     \
    X(REJECT, reject, 4, "RejectChanges", 1)                                                                 \
    X(ACK, ack, 5, "Ack", 0)                                                                                 \
    X(PING, ping, 6, "Ping", 0)                                                                              \
    X(PONG, pong, 7, "Pong", 0)                                                                              \
    X(ERROR, error, 8, "Error", 0)                                                                           \
    X(SCHEMA_REQUEST, schema_request, 9, "SchemaRequest", 0)                                                 \
    X(SCHEMA, schema, 10, "Schema", 1)                                                                       \
    X(CREATE_DB, create_db, 11, "CreateDbOnPrimary", 1)                                                      \
    X(APPLY, apply, 12, "ApplyChangesOnPrimary", 1)                                                          \
    X(SNAPSHOT_REQUEST, snapshot_request, 13, "SnapshotRequest", 0)                                          \
    X(SNAPSHOT, snapshot, 14, "Snapshot", 1)                                                                 \
    X(PRESENCE, presence, 15, "Presence", 1)

typedef enum sync_frame_type {
#define SYNC_X(NAME, member, number, name, payload) SYNC_FRAME_##NAME = (number),
    SYNC_FRAMES(SYNC_X)
#undef SYNC_X
        SYNC_FRAME_TYPES
} sync_frame_type;

typedef enum sync_changes_kind {
    SYNC_CHANGES_PART = 0, /* more parts of this delta follow */
    SYNC_CHANGES_LAST = 1, /* the delta's last part */
    SYNC_CHANGES_HOLLOW =
        2, /* the only part of a delta without rows: it can wait until something else is merged */
    SYNC_CHANGES_HOLDS = 3,     /* no changeset, but what the sender holds: comes after every last part */
    SYNC_CHANGES_CAUGHT_UP = 4, /* the same, and it has nothing more for the receiver */
    SYNC_CHANGES_KINDS
} sync_changes_kind;

typedef enum sync_reject_reason {
    SYNC_REJECT_BEHIND = 1, /* it presumes more than the receiver holds: cut again against the payload */
    SYNC_REJECT_EARLY = 2,  /* a stamp too far in the future: the same again, later */
    SYNC_REJECT_AWAY = 3,   /* a follower's primary takes nothing now: again when StartStreaming comes */
    SYNC_REJECT_RULED =
        4, /* rows that the sender may not write were left out; payload: which, as a changeset. Not of the stream, which is the report's number */
    SYNC_REJECT_KNOWN = 5, /* the answer to that: it is noted, and need not be told again */
    SYNC_REJECT_REASONS,
    SYNC_REJECT_ERROR =
        16 /* and a sync_peer_error: of ApplyChangesOnPrimary, what would have ended the member's own link */
} sync_reject_reason;

/* What one side lets the other do. */
typedef enum sync_peer_right {
    SYNC_RIGHT_READ = 1,  /* ask for changes */
    SYNC_RIGHT_WRITE = 2, /* send some */
    SYNC_RIGHT_SNAPSHOT =
        4, /* ask for a snapshot, with SYNC_RIGHT_READ; who does not know the message does not say so */
    SYNC_RIGHT_FORWARD =
        8, /* with write: send those of others, ApplyChangesOnPrimary and CreateDbOnPrimary */
    SYNC_RIGHT_PRESENCE =
        32 /* tell who is in the room, here and at other peers; who grants it knows Presence */
} sync_peer_right;

/* A hash in Snapshot: SHA-256. */
enum { SYNC_SNAPSHOT_HASH_BYTES = 32 };

/* Codes of Error. The link is closed after it. */
typedef enum sync_peer_error {
    SYNC_PEER_ERROR_PROTOCOL = 1,    /* a message that is malformed or not allowed now */
    SYNC_PEER_ERROR_VERSION = 2,     /* protocol or format from the future */
    SYNC_PEER_ERROR_ROOM = 3,        /* no such room here */
    SYNC_PEER_ERROR_SAME = 4,        /* both ends are the same file */
    SYNC_PEER_ERROR_SCHEMA = 5,      /* key columns or identity of a table differ */
    SYNC_PEER_ERROR_CHANGES = 6,     /* a changeset that cannot be read */
    SYNC_PEER_ERROR_UNSUPPORTED = 7, /* a message for a primary, and this side is none */
    SYNC_PEER_ERROR_INTERNAL = 8,    /* the sender's own trouble */
    SYNC_PEER_ERROR_STOPPING = 9,    /* the sender stops */
    SYNC_PEER_ERROR_FORBIDDEN =
        10 /* what let it in is no more (its token has expired), or it may not do what it does */
} sync_peer_error;

typedef uint64_t sync_frame_varint;
typedef struct sync_frame_site {
    uint8_t id[16];
} sync_frame_site;
typedef struct sync_frame_text { /* borrowed, not terminated, any bytes */
    const char *at;
    size_t bytes;
} sync_frame_text;

#define SYNC_X(kind, name) sync_frame_##kind name;
#define SYNC_STRUCT(NAME, member, number, n, payload)                                                        \
    typedef struct sync_frame_##member {                                                                     \
        SYNC_FIELDS_##NAME(SYNC_X) char unused; /* a struct has at least one member */                       \
    } sync_frame_##member;
SYNC_FRAMES(SYNC_STRUCT)
#undef SYNC_STRUCT
#undef SYNC_X

/* One message. Texts and payload are borrowed: from the caller when it is put, from the bytes when it is got. */
typedef struct sync_frame {
    sync_frame_type type;
    bool more;
    union {
#define SYNC_X(NAME, member, number, name, payload) sync_frame_##member member;
        SYNC_FRAMES(SYNC_X)
#undef SYNC_X
    };
    const uint8_t *payload;
    size_t payload_bytes;
} sync_frame;

/* "Changes" and so on; "?" for a number that is no type (also below SYNC_FRAME_TYPES). */
const char *sync_frame_name(sync_frame_type type);

/* A text field from a C string (NULL is empty), borrowed. */
sync_frame_text sync_frame_text_of(const char *string);

/* Appends one frame. SYNC_OK, SYNC_NOMEM, SYNC_TOOBIG (above SYNC_FRAME_BYTES_MAX, or a text too long),
** SYNC_MISUSE (a payload where none may be); on error `buf` is as long as before. */
int sync_frame_put(sync_buf *buf, const sync_frame *frame);

/* Reads one frame of exactly `bytes` bytes. SYNC_OK; SYNC_FORMAT: an AnnouncePresence of a later protocol (only
** `protocol` is set); SYNC_TOOBIG; SYNC_CORRUPT: anything else, with the reason in error. */
int sync_frame_get(const void *data, size_t bytes, sync_frame *frame, sync_error *error);

/* The check over a range of bytes: a bijective mix of one 8-byte word after the other, and of the length. */
uint64_t sync_frame_check(const void *data, size_t bytes);

#endif
