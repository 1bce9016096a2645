/* What another file holds, learned twice: joined. Pure. */
#ifndef PEER_SEEN_H
#define PEER_SEEN_H

#include "mem.h"

#include <stdint.h>

/* Two sync_seen() blobs that are both true of one file: `newer` decides which tables it tracks and who it is, numbers are the
** higher of the two. Fills *out (emptied first). SYNC_OK or the error of a blob that is none; *out is empty then. */
int peer_seen_join(const sync_buf *newer, const sync_buf *older, sync_buf *out);

/* What both hold of the tables of `own`: of each that `other` has too, the lower number of the two; `itself`: only of what the file of `own` has written. Fills *out
** (emptied first). SYNC_OK or the error of a blob that is none; *out is empty then. */
int peer_seen_meet(const sync_buf *own, const sync_buf *other, bool itself, sync_buf *out);

/* Keeps of a sync_seen() the tables that `list` names, as peer_track_next() takes them. Fills *out (emptied first). SYNC_OK or the error of a blob that is none; of an
** empty one it is an empty one. */
int peer_seen_only(const sync_buf *seen, const char *list, sync_buf *out);

/* Do the two name the same tables with the same keys, in any order? Blobs that are none differ from everything. */
bool peer_seen_same_tables(const sync_buf *a, const sync_buf *b);

/* Does `later`, of the same file, lack something of `earlier`: a number that is lower, or a table? As after a backup was restored. One that is
** none, as the empty one, has nothing. */
bool peer_seen_went_back(const sync_buf *later, const sync_buf *earlier);

/* The id of the file that it is of; false, and zeros: it is none. */
bool peer_seen_site(const sync_buf *seen, uint8_t site[16]);

/* One delta for several files: what was cut for one also suits another that holds the same, but for what each has written itself, if the sender has nothing of either. */
typedef struct peer_twins peer_twins;

/* theirs, implied: what the file that the delta was cut for holds, before and after it; own: what the sender holds, learned after the cut. NULL: it suits nobody else, or
** there is no memory. For peer_twins_close. */
peer_twins *peer_twins_open(const sync_buf *theirs, const sync_buf *implied, const sync_buf *own);

/* Does it suit a file that holds `theirs`? Then *implied (emptied first) is filled with what that will hold. */
bool peer_twins_suit(peer_twins *twins, const sync_buf *theirs, sync_buf *implied);
void peer_twins_close(peer_twins *twins);

/* The name of a table that both name with different keys or identities, the `number`th of them from 0, and in *why what is different, as `a`
** has it here and `b` there; NULL: there are no more. Both owned by the caller. */
char *peer_seen_misfit(const sync_buf *a, const sync_buf *b, uint32_t number, char **why);

/* The names of the tables that `a` has and `b` has not, as a list for people that is cut off where it gets long; NULL: there are none. *common:
** how many have a namesake. A blob that is none, as the empty one, names no tables. The list is owned by the caller. */
char *peer_seen_alone(const sync_buf *a, const sync_buf *b, uint32_t *common);

/* Copies; false when out of memory. */
bool peer_buf_set(sync_buf *to, const void *data, size_t bytes);

#endif
