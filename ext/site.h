/* Is this still the file that its site id was made for? Copies, restores and moves. */
#ifndef SYNC_SITE_H
#define SYNC_SITE_H

#include "engine.h"

/* What the directory says of the file, read before a snapshot is opened (a later commit may only make the file newer). */
typedef struct sync_outside {
    bool known; /* there is a file */
    uint64_t device, inode;
    int witness; /* 1 read, 0 none, -1 unreadable */
    uint8_t site[SYNC_SITE_BYTES];
    uint64_t count, told, told_at;
    bool same_boot;
    bool clean;
} sync_outside;

void sync_site_look(sync_db *s, sync_outside *outside);

/* Inside an operation: does the file need a new site id? A copy (another inode), a restore (witness ahead, or of another site),
** or a start after a crash of the machine that may have lost what was sent. */
int sync_site_stale(sync_db *s, const sync_outside *outside, bool *stale, sync_error *error);

/* Takes a new site id (SYNC_WRITE operation); the old one becomes just another known site. outside: what made it necessary, or NULL: the
** witness found there is not believed again by this connection. */
int sync_site_renew(sync_db *s, const sync_outside *outside, sync_error *error);

/* The fold has stamped what was told of under the id given up, as sync_site_of said, up to `hlc`: the file holds, and wrote, that much of it. */
int sync_site_kept(sync_db *s, uint64_t hlc, sync_error *error);

/* Does what sync_engine_ask_anew() noted in this operation. A file claims to hold all that it wrote itself to a table of some name: where that is not so
** any more, it takes a new site id (*renewed is set). And it forgets what it holds of others in the tables noted, so that they give it whole again. */
int sync_site_anew(sync_db *s, const sync_outside *outside, bool *renewed, sync_error *error);

/* Writes the witness, if what it says is not true already. Called before anything leaves the file. Where it cannot be written this is
** logged once and things go on. An error is one of reading the file. */
int sync_site_testify(sync_db *s, const sync_outside *outside, sync_error *error);

/* Before a fold is committed: what it stamps may be copied from the file, and be lost here when the power goes. So the disk is to have a witness that
** is not clean. It says nothing of this fold. */
void sync_site_stamps(sync_db *s, const sync_outside *outside);

/* What it stamped is committed: from now on the witness is ahead of every older copy of the file, also where nothing of it leaves, since it may have been copied. */
void sync_site_stamped(sync_db *s);

/* May this journal entry have left the file, so that its stamp is fixed? As the witness and this connection know. */
bool sync_site_told(const sync_db *s, int64_t seq);

/* Local number of the site that stamps a journal entry: this file, or what it was when the entry was told of. */
uint32_t sync_site_of(const sync_db *s, int64_t seq);

/* Up to which stamp of a site did this file write what bears it, under its id or one that it had before? 0: nothing of it. (A copy counts what it took along as its own too.)
** Inside a SYNC_WRITE operation. */
int sync_site_own(sync_db *s, uint32_t sid, uint64_t *upto, sync_error *error);

/* When the connection closes: what was told is on disk now. */
void sync_site_close(sync_db *s);

#endif
