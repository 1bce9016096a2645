/* Every bound of the engine in one place, each with its reason. */
#ifndef SYNC_LIMITS_H
#define SYNC_LIMITS_H

/* Columns per journal mask: the mask is a signed 64-bit integer whose negative values are operation codes. */
#define SYNC_MASK_COLUMNS 62

/* Stable column ids per table: SQLite's own ceiling is 32767 columns; pending names of other files come on
 * top. */
#define SYNC_COLUMNS_MAX 32767

/* Key columns per table: more than any schema in use, small enough for fixed arrays on the stack. */
#define SYNC_KEY_COLUMNS_MAX 64

/* Tables in one changeset or vector; bounds what a hostile header can make us allocate. */
#define SYNC_TABLES_MAX 4096

/* How often a clone tries views and triggers that need others which come later: each time brings those whose needs are met. Deeper chains in the
 * wrong order than this nobody makes, and a hostile schema costs no more. */
#define SYNC_CLONE_ROUNDS 32

/* Sites in one changeset or vector, for the same reason. A site is one file that ever wrote. */
#define SYNC_SITES_MAX 65536

/* Cells of one tables-by-sites matrix, 8 bytes each: a merge has eight of them at a time. */
#define SYNC_MATRIX_CELLS_MAX (192u << 10)

/* Names of key columns, collations and columns in one head: each takes some 40 bytes of memory, and may be two bytes on the wire. */
#define SYNC_HEAD_NAMES_MAX 65536

/* Uncompressed bytes of a head or closing, and what the cells of one row may take beside their values: above
 * what the limits here allow a sensible file, below what would hurt. */
#define SYNC_HEAD_BYTES_MAX (2u << 20)

/* What a changeset may decompress to, so that little of it cannot become much: one row to ITEM_FREE bytes and ITEM_RATIO times the bytes of the
** changeset, all of it to ALL_FREE and ALL_RATIO times as many. Where rows compress better, their sender pads. A row above 2 MiB is rare, and
** then costs half its size; nothing else that people store comes near either. */
#define SYNC_ITEM_FREE  (2u << 20)
#define SYNC_ITEM_RATIO 2
#define SYNC_ALL_FREE   (16u << 20)
#define SYNC_ALL_RATIO  256

/* A table or column name in bytes; SQLite has no such bound, people do. */
#define SYNC_NAME_BYTES_MAX 1024

/* One value: SQLite's compiled ceiling. The connection's own SQLITE_LIMIT_LENGTH applies below it. */
#define SYNC_VALUE_BYTES_MAX 2147483647u

/* What sync_describe says of a changeset: far more than a person reads, and bounded whatever the rows compress to. */
#define SYNC_DESCRIBE_BYTES_MAX (10u << 20)

/* How far ahead of the wall clock a remote stamp may be before its delta is refused for now. */
#define SYNC_DRIFT_MS_MAX 300000

/* Deletes are forgotten after that many seconds, 90 days, unless sync_compact() is told otherwise: files that are used at all meet more often, and
** for one that does not, nothing is lost but time. */
#define SYNC_COMPACT_AGE_S (90 * 86400)

/* Journal entries folded at a time: bounds memory (about 6 MiB), long enough to amortise the statements and to sort random keys. */
#define SYNC_FOLD_CHUNK 32768

/* From that many entries on their rows and clocks are looked up in the order of the keys: below it sorting costs more than it saves. */
#define SYNC_FOLD_SORTED_MIN 256

/* Journal entries after which the folding of a long tail lets others have the write lock: a few milliseconds. */
#define SYNC_FOLD_STEP 1000

/* Moves of rows that wait, each for a cascade within the other, until what they push out is known: schemas have a few levels of them. */
#define SYNC_FOLD_NOTES_MAX 64

/* Page cache of long operations in KiB: SQLite's default of 2 MiB is read over and over by random keys; 24 MiB is not, and is little. */
#define SYNC_CACHE_KIB 24576

/* Journal entries, or bytes of a changeset, from which an operation is long. */
#define SYNC_LONG_ENTRIES 4096
#define SYNC_LONG_BYTES   (128u << 10)

/* A tail longer than this is folded for real even by a reader that may write: an overlay is for short tails.
 */
#define SYNC_VIRTUAL_TAIL_MAX 20000

/* A delta without rows is sent all the same if this many journal entries had to be looked at to know it: it moves the cursor. */
#define SYNC_SCAN_QUIET_MAX 1000

/* Deltas in parts that one connection keeps apart by sender; the one heard of longest ago is forgotten and starts again. */
#define SYNC_PARTS_OPEN_MAX 64

/* Rows without parents that one fold, or the adoption of a table, lists for each foreign key: people read them, and each merge that touches their tables looks at them again. */
#define SYNC_ORPHANS_NOTED_MAX 1000

/* Rows of a table that adopting it, or what it refers to, looks through for those without parents: a millisecond. Adopting takes the same time at any size. */
#define SYNC_ADOPTED_ROWS_MAX 1000

/* Statements kept by their text on one connection: twice those of a merge or a delta, some kilobytes each. */
#define SYNC_KEPT_STATEMENTS 64

/* Rows whose triggers roll the transaction back, and with which a merge is therefore done again, until what is held already is not tried any
** more: each costs a merge. */
#define SYNC_ROLLBACKS_MAX 16

/* How long a row may be held here for its number until a file that did not give it that number gives it another one: the file that did may be gone for good. One that was
** merely away does the same when it is back, and the later of both writes counts; a week spares the numbers of those who come online every day from changing twice. */
#define SYNC_AUTHOR_SILENT_MS ((int64_t)7 * 24 * 3600 * 1000)

/* How often a merge is done again without rows that its author may not write, each time for what the others become without them; after that all of it is refused. Rules that look at
** other rows make chains of two or three. */
#define SYNC_GATE_PASSES_MAX 8

/* What the sender remembers of the rows that one receiver may see, in bytes: a million rows with short keys. Who may see more should see all. */
#define SYNC_SELECTION_BYTES_MAX (64u << 20)

/* Columns of one result set in a SQLite built with its defaults. */
#define SYNC_RESULT_COLUMNS_MAX 2000

/* Text of one error message, including the terminating zero. */
#define SYNC_ERROR_BYTES 512

/* zstd level of changesets, the shortest match, and the table of matches as a power of two: on rows these give nearly the size of zstd's default
** level (1.5 % more) in three fifths of its time; the table fits the nearest caches. */
#define SYNC_ZSTD_LEVEL     2
#define SYNC_ZSTD_MATCH_MIN 5
#define SYNC_ZSTD_HASH_LOG  15

/* Largest zstd window a decoder accepts, as a power of two: 2 MiB, what level 3 never exceeds. */
#define SYNC_ZSTD_WINDOW_LOG_MAX 21

/* One message of sync.v1: a link's buffers on both sides are multiples of it, and a heartbeat behind it waits
** at most as long as it takes to send; values larger than this travel in pieces. */
#define SYNC_FRAME_BYTES_MAX (256u << 10)

/* Payload of one message: what is left of it beside the largest fields (two texts) and the check. */
#define SYNC_FRAME_PAYLOAD_MAX (SYNC_FRAME_BYTES_MAX - 2048u)

/* A text field of a message: reasons and names, for people. */
#define SYNC_FRAME_TEXT_MAX 512

#endif
