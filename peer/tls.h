/* TLS on both sides of the network thread, by OpenSSL through libwebsockets: 1.2 and later, forward secrecy, certificates verified. Network thread only. */
#ifndef PEER_TLS_H
#define PEER_TLS_H

#include "options.h"

#include <libwebsockets.h>
#include <stdint.h>

/* Are the files good that the options name? NULL, or what is wrong with which; the caller frees it. */
char *net_tls_wrong(const peer_options *o);

/* What a context and its vhost are to be made with. `info` borrows from the options. */
void net_tls_prepare(const peer_options *o, struct lws_context_creation_info *info);

/* Flags of a client connection that uses TLS. */
int net_tls_client_flags(void);

/* Behind the handshake, before anything is sent: has the other side the key that was asked for, as --pin has it? Where none was (NULL), it has. */
bool net_tls_pinned(const char *pin, struct lws *wsi);

/* Who connects has shown a certificate that is trusted: its common name, and until when it is good (Unix time). False: he has not. */
bool net_tls_member(struct lws *wsi, char *name, size_t bytes, int64_t *until_s);

/* A connection that did not come about: why its certificate is not trusted; NULL: that is not the reason. A constant. */
const char *net_tls_distrust(struct lws *wsi);

/* Reads the certificate and the key of the listening side again. NULL, or what is wrong, and the old ones stay; the caller frees it. */
char *net_tls_reload(const peer_options *o, struct lws_context *context);

#endif
