/* Changesets as bytes (docs/FORMAT.md). Pure: knows neither SQLite nor sockets, only zstd.
**
**   "SYNC" | u8 format (1) | one zstd frame with checksum:
**     head | item* | closing
**   item: a table switch, a row, or the end of rows
*/
#ifndef SYNC_CODEC_H
#define SYNC_CODEC_H

#include "clock.h"
#include "status.h"
#include "vector.h"

/* A changeset has the third format where it is a selection, the second where its maker has forgotten deletes or heard of a file that has, otherwise the first, which every
** version reads. Seen blobs have the first. */
#define SYNC_FORMAT_VERSION           1
#define SYNC_FORMAT_VERSION_WHOLE     2
#define SYNC_FORMAT_VERSION_SELECTION 3

/* Whom a changeset is for. */
typedef enum sync_purpose {
    SYNC_FOR_ALL,  /* a file that holds, afterwards, what its maker held */
    SYNC_FOR_LEAF, /* one that may have some rows only: it claims to hold nothing by it. A row that is merely named is withdrawn (docs/MERGE.md, "Selections") */
    SYNC_FOR_AUTHOR /* who sent changes of which these were refused: rows, merely named */
} sync_purpose;

/* What a key column makes of a value that it is given, and so which values are the same key. */
typedef enum sync_affinity {
    SYNC_STORES_ANY,
    SYNC_STORES_TEXT,
    SYNC_STORES_NUMERIC, /* INTEGER too: the two store alike */
    SYNC_STORES_REAL
} sync_affinity;

/* What two files must agree on to exchange a table, and the names behind column numbers on the wire. Owned by
 * the head. */
typedef struct sync_table_head {
    char *name;
    sync_identity identity;
    uint32_t key_count;
    char **key_names;
    char **key_collations; /* "": BINARY */
    uint8_t *key_affinities;
    uint32_t col_count;
    char **col_names; /* wire column c of this table; empty in a seen blob */
    bool whole;       /* the delta names every row that its maker has in the table, or selects there */
    uint64_t lives;   /* what the maker knows nothing of may have lived up to here; even */
    uint64_t known;   /* of a selection: up to where its maker holds what the receiver wrote, as an hlc */
} sync_table_head;

/* Head of a changeset, and the whole of a seen blob (magic "SEEN").
** In a changeset: base = the receiver's seen that the rows were reduced against (tables x sites), start = the
** journal position
** they were read from (tables x 1), part: of a delta sent in parts.
** In a seen blob: base = what the file holds, start = its cursors (tables x sites: in the
** journal of that site). */
typedef struct sync_head {
    uint8_t site[SYNC_SITE_BYTES]; /* of the file that made it */
    uint32_t site_count;
    uint8_t (*sites)[SYNC_SITE_BYTES]; /* distinct; wire site index s; index 0 is the maker's own site */
    uint32_t table_count;
    sync_table_head *tables;
    sync_matrix base;
    sync_matrix start;
    sync_purpose purpose;
    uint32_t part;   /* 0, 1, ... */
    uint32_t delta;  /* random, the same in all parts of one delta; 0 where there is but one part */
    bool forgets;    /* deletes are forgotten, here or elsewhere: only then the next ones are said */
    uint32_t wholes; /* tables that come whole */
    sync_matrix
        floor;        /* tables x sites: the deletes that the maker has forgotten of tables that come whole */
    sync_matrix held; /* tables x sites: what the maker holds of these, as in the closing */
} sync_head;

void sync_head_free(sync_head *head);                      /* also after a failed get; zeroes */
int sync_head_set_sites(sync_head *head, uint32_t count);  /* allocates zeroed sites; SYNC_OK/NOMEM/TOOBIG */
int sync_head_set_tables(sync_head *head, uint32_t count); /* allocates zeroed tables */
int sync_table_head_init(sync_table_head *t, const char *name, sync_identity identity, uint32_t key_count,
                         uint32_t col_count);
int sync_table_head_key(sync_table_head *t, uint32_t i, const char *name, sync_affinity affinity,
                        const char *collation); /* copies the names */
int sync_table_head_col(sync_table_head *t, uint32_t i, const char *name);
uint8_t sync_head_format(const sync_head *head); /* of a changeset that has this head */

/* Closing of a whole delta. */
typedef struct sync_closing {
    sync_matrix seen; /* the maker's own, tables x sites of the head */
    uint64_t end;     /* its newest journal position */
    uint64_t rows;    /* rows in this part */
} sync_closing;

/* Seen blob: "SEEN" | u8 format | head without columns, part | u32 CRC-like check (xxh32 not needed:
** the low 32 bits of
** FNV-1a 64 over everything before). */
int sync_seen_put(sync_buf *buf, const sync_head *head);
int sync_seen_get(const void *blob, size_t bytes, sync_head *head, sync_error *error);

/* ---- encoder
 * -------------------------------------------------------------------------------------------------------------
 */

typedef struct sync_encoder sync_encoder;

/* Reusable: begin, rows, finish, begin again. NULL when out of memory. */
sync_encoder *sync_encoder_new(int zstd_level);
void sync_encoder_free(sync_encoder *e);

/* Starts a changeset. `head` is encoded at once; nothing of it is kept but the counts. */
int sync_encoder_begin(sync_encoder *e, const sync_head *head, sync_error *error);

/* Appends a row of head table `table`. key: key_count values. row: cells' `col` are wire columns, stamps'
** sites are wire sites,
** every cell's value is carried. Alive rows carry the existence cell or not (stamp none). */
int sync_encoder_row(sync_encoder *e, uint32_t table, const sync_value *key, const sync_row *row,
                     sync_error *error);

/* The same for the commonest row: alive for the first time, existence and every column of the head at `stamp`, nothing else. values: the key's,
** then the columns'. */
int sync_encoder_full_row(sync_encoder *e, uint32_t table, sync_stamp stamp, const sync_value *values,
                          sync_error *error);

/* Compressed bytes produced so far plus what is buffered uncompressed: for deciding when a part is full. */
size_t sync_encoder_size(const sync_encoder *e);
uint64_t sync_encoder_rows(const sync_encoder *e);

/* Ends the changeset. `closing`: of the last part; NULL: more parts follow. `*out`, `*bytes` are borrowed until the
 * next begin or free. */
int sync_encoder_finish(sync_encoder *e, const sync_closing *closing, const void **out, size_t *bytes,
                        sync_error *error);

/* ---- decoder
 * -------------------------------------------------------------------------------------------------------------
 */

typedef struct sync_decoder sync_decoder;

/* Reads magic, format and head. `bytes` of `blob` must outlive the decoder. value_bytes_max bounds one value.
** Memory stays in
** proportion to what has been decompressed of one row, never to what a length field claims.
** SYNC_OK, SYNC_CORRUPT, SYNC_FORMAT (newer), SYNC_NOMEM, SYNC_TOOBIG; *out is NULL after an error. */
int sync_decoder_open(const void *blob, size_t bytes, uint64_t value_bytes_max, sync_decoder **out,
                      sync_error *error);
const sync_head *sync_decoder_head(const sync_decoder *d);

/* Next row: SYNC_ROW with *table, *key (key_count values, borrowed until the next call), *row (likewise;
** cells ascending, in
** bounds, all carried and not fresh; sites and references in bounds; cl >= 1; identity row: cl 1 or 2; since <= stamp);
** SYNC_DONE after the last row, when
** the closing has been read and the frame's checksum and the row count have been verified; or an error. */
int sync_decoder_next(sync_decoder *d, uint32_t *table, const sync_value **key, const sync_row **row,
                      sync_error *error);

/* After SYNC_DONE: the closing (borrowed), or NULL if this is not the last part. */
const sync_closing *sync_decoder_closing(const sync_decoder *d);
void sync_decoder_close(sync_decoder *d); /* NULL is fine */

#endif
