/* Changesets out of bytes that are none yet, and back: so that mutations get past compression and checksums. */
#ifndef FUZZ_PACK_H
#define FUZZ_PACK_H

#include "mem.h"

/* Between the changesets of one input of fuzz_apply; also in the dictionary. */
#define FUZZ_SPLIT "<SPLIT>"

/* What a target is to read: data that begins with "SYNC" or "SEEN" as it is, the latter with its check set right; anything else as the
** uncompressed contents of a changeset, put into a frame: of the second format behind a byte 00, with which no contents begin, of the third behind two, else of the first.
** Borrowed until the next call. */
const sync_buf *fuzz_pack(const void *data, size_t bytes);

/* The reverse: of a changeset the uncompressed contents, behind those bytes where it has another format than the first; false if it is none. Appends. */
bool fuzz_unpack(const void *blob, size_t bytes, sync_buf *contents);

#endif
