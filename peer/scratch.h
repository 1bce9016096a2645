/* A folder for rooms in memory: files that nobody else can reach, on a file system in memory where there is one, gone with the process. */
#ifndef PEER_SCRATCH_H
#define PEER_SCRATCH_H

#include <stdbool.h>

/* Makes the folder, and removes those that processes of this user have left which are no more. Its path, the caller's; NULL: *why, which the caller frees. */
char *peer_scratch_new(char **why);

/* Removes the folder with all in it, and frees the path. NULL is fine. */
void peer_scratch_free(char *path);

#endif
