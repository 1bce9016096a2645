/* A file that several processes might be making, under a name that is the same each time, so that what a process that was killed has left is found again. */
#ifndef PEER_CLAIM_H
#define PEER_CLAIM_H

#include <sys/types.h>

/* Opens it for reading and writing, or makes it, and locks it (flock) until the descriptor is closed. No link is followed, and an ordinary file with one name alone is
** taken. -1: see errno; EWOULDBLOCK: another process, or another descriptor of this one, has it. */
int peer_claim(const char *name, mode_t mode);

#endif
