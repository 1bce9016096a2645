/* One question to a peer over HTTP, for commands that ask and end. The main thread; no network thread beside it. */
#ifndef PEER_ASKING_H
#define PEER_ASKING_H

#include "mem.h"
#include "options.h"

/* GETs `path` from the peer at o->urls[0], with what o->token_file, ca_file, pin, client_cert_file and client_key_file say, as a follower would; a redirect is not followed. PEER_EXIT_OK: the
** answer has status 200, and is appended to `body`; or an exit code, and *why, which the caller frees, says why. PEER_EXIT_STOPPED: a signal came (see peer_stop_begin). */
int peer_asking_get(const peer_options *o, const char *path, sync_buf *body, char **why);

#endif
