/* A configuration that was read again while the process runs: what of it can take the place of the one before, and what that changes. Network thread
** only. */
#ifndef PEER_CONFIG_CHANGE_H
#define PEER_CONFIG_CHANGE_H

#include "config.h"

/* Gives `fresh` what stays as long as the process does: addresses, folders, files of TLS, the log, metrics, how many links there are at most, rooms in memory; client_ca_file: of the certificates that who connects is asked for, as it was read at the start, NULL:
** none. The names
** of what it would have otherwise, with commas between; NULL: nothing. The caller frees them. `old` is for peer_config_free then. */
char *peer_config_keep(peer_config *fresh, peer_config *old, size_t links_max, const char *client_ca_file);

/* Do both admit the same? Otherwise who is there has to show himself again. */
bool peer_config_same_auth(const peer_config *a, const peer_config *b);

/* Would a room be opened alike with both? */
bool peer_options_same_room(const peer_options *a, const peer_options *b);

#endif
