/* What somebody sends to log in: a name and a password, as a form of a web page or as JSON. Pure. Any thread. */
#ifndef PEER_FORM_H
#define PEER_FORM_H

#include "peer_limits.h"
#include "token.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct peer_form {
    char user[sizeof((peer_grant *)NULL)->user];
    char password[PEER_PASSWORD_BYTES_MAX + 1];
} peer_form;

typedef enum peer_form_kind { PEER_FORM_URLENCODED, PEER_FORM_JSON, PEER_FORM_UNKNOWN } peer_form_kind;

/* By the value of a header Content-Type. */
peer_form_kind peer_form_kind_of(const char *type);

/* Reads one. False: it is malformed, has not both, has one of them twice (or what JSON has twice), an empty one, one with a NUL, or one that is too long; then the form is zeroed. */
bool peer_form_read(peer_form *form, peer_form_kind kind, const char *body, size_t bytes);

#endif
