#include "config_change.h"

#include "message.h"

#include <stdlib.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_texts(const peer_texts *a, const peer_texts *b)
{
    bool alike = a->count == b->count;
    for (size_t i = 0; alike && i < a->count; i++) {
        alike = same(a->list[i], b->list[i]);
    }
    return alike;
}

/* ---- what stays */

/* Adds a name to the list. */
static void name(char **list, const char *key, bool changed)
{
    if (changed) {
        char *longer = *list != NULL ? peer_format("%s, %s", *list, key) : peer_strdup(key);
        free(*list);
        *list = longer;
    }
}

static void swap(char **a, char **b)
{
    char *c = *a;
    *a = *b;
    *b = c;
}

/* Whose certificates those who connect are asked for. */
static const char *ca_of(const peer_config *c)
{
    return c->auth != NULL ? c->auth->ca_file : NULL;
}

char *peer_config_keep(peer_config *fresh, peer_config *old, size_t links_max, const char *client_ca_file)
{
    char *list = NULL;
    name(&list, "listen", !same_texts(&fresh->listen, &old->listen));
    name(&list, "dbFolder", !same(fresh->db_folder, old->db_folder));
    name(&list, "tls", !same(fresh->cert_file, old->cert_file) || !same(fresh->key_file, old->key_file));
    name(&list, "caFile", !same(fresh->ca_file, old->ca_file));
    name(&list, "clientCertFile",
         !same(fresh->client_cert_file, old->client_cert_file) ||
             !same(fresh->client_key_file, old->client_key_file));
    name(&list, "auth.certificates.caFile", ca_of(fresh) != NULL && !same(ca_of(fresh), client_ca_file));
    name(&list, "metrics",
         fresh->metrics != old->metrics || !same(fresh->metrics_listen.host, old->metrics_listen.host) ||
             fresh->metrics_listen.port != old->metrics_listen.port);
    name(&list, "log",
         fresh->log.given != old->log.given || fresh->log.format != old->log.format ||
             fresh->log.level != old->log.level);
    name(&list, "limits.links", fresh->links > links_max);
    peer_texts listen = fresh->listen;
    fresh->listen = old->listen;
    old->listen = listen;
    swap(&fresh->db_folder, &old->db_folder);
    swap(&fresh->cert_file, &old->cert_file);
    swap(&fresh->key_file, &old->key_file);
    swap(&fresh->ca_file, &old->ca_file);
    swap(&fresh->client_cert_file, &old->client_cert_file);
    swap(&fresh->client_key_file, &old->client_key_file);
    swap(&fresh->scratch, &old->scratch);
    swap(&fresh->metrics_listen.host, &old->metrics_listen.host);
    fresh->metrics_listen.port = old->metrics_listen.port;
    fresh->metrics = old->metrics;
    fresh->log = old->log;
    fresh->links = fresh->links > links_max ? links_max : fresh->links;
    return list;
}

/* ---- what changes */

static bool same_keys(const peer_keys *a, const peer_keys *b)
{
    bool alike = a->algorithm == b->algorithm && a->count == b->count;
    for (size_t i = 0; alike && i < a->count; i++) {
        alike = same(a->list[i].id, b->list[i].id) && a->list[i].bytes == b->list[i].bytes &&
                memcmp(a->list[i].text, b->list[i].text, a->list[i].bytes) == 0;
    }
    return alike;
}

bool peer_config_same_auth(const peer_config *a, const peer_config *b)
{
    const peer_auth *x = a->auth, *y = b->auth;
    if (x == NULL || y == NULL) {
        return x == y;
    }
    bool alike = x->member_count == y->member_count;
    for (size_t i = 0; alike && i < x->member_count; i++) {
        const peer_cert_member *p = &x->members[i], *q = &y->members[i];
        alike = same(p->name, q->name) && same(p->rooms, q->rooms) && p->rights == q->rights;
    }
    return alike && x->jwt == y->jwt && same(x->users_file, y->users_file) &&
           same(x->users_table, y->users_table) &&
           same_keys(&x->cookie.tokens.keys, &y->cookie.tokens.keys) && same_texts(&x->hosts, &y->hosts) &&
           same_texts(&x->origins, &y->origins) && same(x->tokens.audience, y->tokens.audience) &&
           same(x->tokens.issuer, y->tokens.issuer) && x->tokens.leeway_s == y->tokens.leeway_s &&
           same_keys(&x->tokens.keys, &y->tokens.keys);
}

static bool same_upstreams(const peer_options *a, const peer_options *b)
{
    bool alike = a->upstream_count == b->upstream_count;
    for (size_t i = 0; alike && i < a->upstream_count; i++) {
        const peer_upstream *x = &a->upstreams[i], *y = &b->upstreams[i];
        alike = same(x->url, y->url) && same(x->token_file, y->token_file) && same(x->pin, y->pin) &&
                same(x->tables, y->tables) && x->rights == y->rights && x->primary == y->primary;
    }
    return alike;
}

bool peer_options_same_room(const peer_options *a, const peer_options *b)
{
    return same(a->file, b->file) && a->create == b->create && same(a->schema, b->schema) &&
           same(a->schema_common, b->schema_common) && a->migrate == b->migrate && a->track == b->track &&
           same(a->track_list, b->track_list) && a->rights == b->rights &&
           peer_row_rules_same(&a->rules, &b->rules) && a->keep_journal_mode == b->keep_journal_mode &&
           same(a->folder, b->folder) && a->bytes_max == b->bytes_max && a->statement_s == b->statement_s &&
           same_upstreams(a, b);
}
