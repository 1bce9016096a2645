/* What the parts of the codec share: marks on the wire, and heads as bytes. */
#ifndef SYNC_CODEC_INTERNAL_H
#define SYNC_CODEC_INTERNAL_H

#include "codec.h"

/* "SYNC" or "SEEN", then the format. */
#define SYNC_MAGIC_BYTES    4
#define SYNC_PREAMBLE_BYTES (SYNC_MAGIC_BYTES + 1)
#define SYNC_MAGIC_CHANGES  "SYNC"
#define SYNC_MAGIC_SEEN     "SEEN"

/* An item's first byte: SYNC_ITEM_END, SYNC_ITEM_CLOSE, SYNC_ITEM_TABLE, or SYNC_ITEM_ROW with the bits below it. */
enum {
    SYNC_ITEM_END = 0x00,
    SYNC_ITEM_TABLE = 0x01,
    SYNC_ITEM_CLOSE = 0x02, /* as END, with the closing: the last part of a delta */
    SYNC_ITEM_ROW = 0x80,
    SYNC_ROW_DEAD = 0x40,
    SYNC_ROW_FULL = 0x20,    /* alive: existence and every column of the head, all at the row's stamp */
    SYNC_ROW_EXISTS = 0x10,  /* alive, not full: the row's stamp is the existence cell's */
    SYNC_ROW_GENESIS = 0x08, /* the row's stamp is not `written` */
    SYNC_ROW_SAME = 0x04,    /* the site of the previous row's stamp; otherwise it follows */
    SYNC_ROW_CL = 0x02,      /* explicit; otherwise 1 or 2 */
    SYNC_ROW_MORE = 0x01     /* a second byte follows */
};
enum { SYNC_MORE_BORN = 0x01, SYNC_MORE_MOVED = 0x02, SYNC_MORE_REFS = 0x04, SYNC_MORE_UNUSED = 0xf8 };

/* Low bits of a cell's header; the column's distance to the previous one is above them. */
enum {
    SYNC_CELL_ROW = 0,
    SYNC_CELL_OWN = 1,
    SYNC_CELL_REPEATED = 2,
    SYNC_CELL_KIND = 3,
    SYNC_CELL_SHIFT = 2
};

/* WHOLE: of a changeset of a file that has forgotten deletes, or heard of one that has. SELECTION: of one that is not for a file that is to hold all. */
typedef enum sync_head_kind {
    SYNC_HEAD_CHANGES,
    SYNC_HEAD_SEEN,
    SYNC_HEAD_WHOLE,
    SYNC_HEAD_SELECTION
} sync_head_kind;

/* Of a changeset that has this head. */
static inline sync_head_kind sync_head_kind_of(const sync_head *head)
{
    return head->purpose != SYNC_FOR_ALL ? SYNC_HEAD_SELECTION
           : head->forgets               ? SYNC_HEAD_WHOLE
                                         : SYNC_HEAD_CHANGES;
}

/* Appends a head. SYNC_OK or SYNC_MISUSE with `error`; lack of memory shows in buf. */
int sync_head_put(sync_buf *buf, const sync_head *head, sync_head_kind kind, sync_error *error);

/* Reads a head into an empty one. SYNC_OK, SYNC_CORRUPT (also if the span is too short: see span->want),
** SYNC_NOMEM or SYNC_TOOBIG; after an error the head is empty. */
int sync_head_get(sync_span *span, sync_head *head, sync_head_kind kind);

/* SYNC_OK, SYNC_CORRUPT or SYNC_FORMAT. *kind: of the head that follows. */
int sync_preamble_check(const void *blob, size_t bytes, const char *magic, sync_head_kind *kind,
                        sync_error *error);

/* What one item of a changeset of so many bytes may decompress to, in no case more than `max`. */
static inline size_t sync_item_max(size_t bytes, size_t max)
{
    return bytes < (max - SYNC_ITEM_FREE) / SYNC_ITEM_RATIO ? SYNC_ITEM_FREE + SYNC_ITEM_RATIO * bytes : max;
}

/* What a row that does not say otherwise means. */
static inline uint64_t sync_wire_cl(bool dead)
{
    return dead ? 2 : 1;
}

static inline sync_stamp sync_wire_born(sync_identity identity, bool dead, sync_stamp existence)
{
    return identity == SYNC_BY_ROW && !dead && existence.written != 0 ? existence : SYNC_STAMP_NONE;
}

#endif
