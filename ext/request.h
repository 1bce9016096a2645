/* Heads of changesets and seen blobs, matched with this file's tables and sites. */
#ifndef SYNC_REQUEST_H
#define SYNC_REQUEST_H

#include "changes.h"

/* Index of a site id in a head, or UINT32_MAX. */
uint32_t sync_head_site(const sync_head *head, const uint8_t id[SYNC_SITE_BYTES]);

/* Same identity and key columns here and there: SYNC_OK, or SYNC_SCHEMA naming the table. */
int sync_head_match(const sync_table *t, const sync_table_head *theirs, sync_error *error);

/* Sets the head's sites to this file's, own first. wire: s->sites.count numbers, the place of each local site on the wire. */
int sync_head_own_sites(sync_db *s, sync_head *head, uint32_t *wire, sync_error *error);

/* Fills a table head from a tracked table; its columns (by stable id) where asked for. */
int sync_head_own_table(const sync_table *t, sync_table_head *to, bool columns, sync_error *error);

#endif
