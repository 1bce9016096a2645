/* Rows that are to be deleted, and that a trigger keeps. */
#ifndef SYNC_KEPT_H
#define SYNC_KEPT_H

#include "merging.h"

/* Deletes them where no trigger refuses that any more. */
int sync_kept_retry(sync_merging *m);

#endif
