/* The first look of a process at a file that a stranger may have made: is its structure whole? What SQLite finds out by itself, it finds in the middle
** of a merge. Any worker's thread. */
#ifndef PEER_INSPECT_H
#define PEER_INSPECT_H

#include "database.h"

/* Looks at the file of d->db, unless this process has looked at it before: then true at once. PRAGMA quick_check for a file of at most
** PEER_INSPECT_BYTES_MAX, which reads each page once; above that only its header and its schema. False, with a failure: it is damaged, or cannot be
** read. */
bool peer_inspect(peer_database *d, peer_failure *f);

#endif
