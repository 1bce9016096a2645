/* The part of a configuration that says who may join. */
#include "config_internal.h"
#include "message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* `part` of auth names the file. False: *why. */
static bool read_keys(const peer_config *c, const char *part, const char *name, peer_algorithm algorithm,
                      peer_keys *keys, char **why)
{
    char *file = peer_config_beside(c->path, name), *wrong = NULL;
    bool good = peer_keys_read(keys, algorithm, file, &wrong);
    if (!good) {
        *why = peer_format("%s: /auth/%s/keyFile: %s", c->path, part, wrong);
    }
    free(wrong);
    free(file);
    return good;
}

/* Tokens: with the keys, which are read now. False: *why. */
static bool read_jwt(peer_config *c, const json_t *jwt, char **why)
{
    peer_algorithm algorithm = PEER_HS256;
    while (strcmp(peer_algorithm_name(algorithm), peer_config_text(jwt, "algorithm")) != 0) {
        algorithm++; /* it is one of them: the schema says so */
    }
    c->auth->jwt = true;
    c->auth->tokens =
        (peer_token_rules){.audience = peer_strdup(peer_config_text(jwt, "audience")),
                           .issuer = peer_strdup(peer_config_text(jwt, "issuer")),
                           .leeway_s = json_integer_value(json_object_get(jwt, "leewaySeconds"))};
    return read_keys(c, "jwt", peer_config_text(jwt, "keyFile"), algorithm, &c->auth->tokens.keys, why);
}

/* False: *why. */
static bool read_certificates(peer_config *c, const json_t *certificates, char **why)
{
    const json_t *members = json_object_get(certificates, "members"), *one;
    size_t i;
    if (c->cert_file == NULL) {
        *why = peer_format("%s: /auth/certificates: they are shown over TLS alone, and there is no \"tls\"",
                           c->path);
        return false;
    }
    c->auth->ca_file = peer_config_beside(c->path, peer_config_text(certificates, "caFile"));
    c->auth->members = peer_new((json_array_size(members) + 1) * sizeof *c->auth->members);
    json_array_foreach(members, i, one)
    {
        c->auth->members[c->auth->member_count++] =
            (peer_cert_member){.name = peer_strdup(peer_config_text(one, "name")),
                               .rooms = peer_strdup(peer_config_text(one, "rooms")),
                               .rights = peer_config_read_rights(json_object_get(one, "rights"))};
    }
    return true;
}

/* Users with passwords, and the cookies that they get for them. False: *why. */
static bool read_users(peer_config *c, const json_t *users, const json_t *cookie, char **why)
{
    if (cookie == NULL) {
        *why = peer_format(
            "%s: /auth/users: they get cookies, and there is no \"cookie\" that says how these are signed",
            c->path);
        return false;
    }
    const json_t *secure = json_object_get(cookie, "secure");
    c->auth->users_file = peer_config_beside(c->path, peer_config_text(users, "file"));
    c->auth->users_table = peer_strdup(peer_config_text(users, "table"));
    c->auth->cookie.seconds = json_integer_value(json_object_get(cookie, "seconds"));
    c->auth->cookie.secure = secure != NULL ? json_is_true(secure) : c->cert_file != NULL;
    c->auth->cookie.tokens.audience = peer_strdup(PEER_COOKIE_AUDIENCE);
    if (access(c->auth->users_file, R_OK) != 0) {
        *why = peer_format("%s: /auth/users/file: %s: %s; sync-peer user add makes it", c->path,
                           c->auth->users_file, strerror(errno));
        return false;
    }
    return read_keys(c, "cookie", peer_config_text(cookie, "keyFile"), PEER_HS256,
                     &c->auth->cookie.tokens.keys, why);
}

bool peer_auth_read(peer_config *c, const json_t *auth, char **why)
{
    const json_t *jwt = json_object_get(auth, "jwt"), *certificates = json_object_get(auth, "certificates"),
                 *users = json_object_get(auth, "users");
    if (auth == NULL) {
        return true;
    }
    c->auth = peer_new(sizeof *c->auth);
    c->auth->hosts = peer_config_texts(json_object_get(auth, "hosts"));
    c->auth->origins = peer_config_texts(json_object_get(auth, "origins"));
    if (jwt == NULL && certificates == NULL && users == NULL) {
        *why = peer_format(
            "%s: /auth: it has neither \"jwt\" nor \"certificates\" nor \"users\", so nobody could join",
            c->path);
        return false;
    }
    return (jwt == NULL || read_jwt(c, jwt, why)) &&
           (certificates == NULL || read_certificates(c, certificates, why)) &&
           (users == NULL || read_users(c, users, json_object_get(auth, "cookie"), why));
}

void peer_auth_free(peer_auth *auth)
{
    if (auth == NULL) {
        return;
    }
    peer_config_texts_free(&auth->hosts);
    peer_config_texts_free(&auth->origins);
    peer_token_rules_free(&auth->tokens);
    peer_token_rules_free(&auth->cookie.tokens);
    for (size_t i = 0; i < auth->member_count; i++) {
        free(auth->members[i].name);
        free(auth->members[i].rooms);
    }
    free(auth->members);
    free(auth->users_file);
    free(auth->users_table);
    free(auth->ca_file);
    free(auth);
}
