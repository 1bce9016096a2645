/* SIGHUP: what can be read again while the process runs. */
#include "config_change.h"
#include "log.h"
#include "net_internal.h"
#include "supervisor.h"

#include <stdlib.h>

/* What came of it, for people. */
typedef struct outcome {
    int code; /* the first that is not 0 stays */
    char *text;
} outcome;

/* Takes over the text. */
static void note(outcome *o, int code, char *text)
{
    char *both = o->text != NULL ? peer_format("%s; %s", o->text, text) : peer_strdup(text);
    free(o->text);
    free(text);
    o->text = both;
    o->code = o->code == PEER_EXIT_OK ? code : o->code;
}

static void reload_certificate(net *n, outcome *o)
{
    char *why = net_tls_reload(n->options, n->context);
    if (why != NULL) {
        note(o, PEER_EXIT_USAGE, peer_format("%s; the certificate stays as it was", why));
    } else {
        note(o, PEER_EXIT_OK, peer_strdup("the certificate was read again"));
    }
    free(why);
}

/* Those who are there were admitted by what does not count any more. */
static void end_links(net *n)
{
    for (net_link *l = n->links, *next; l != NULL; l = next) {
        next = l->next;
        if (l->follow == NULL) {
            net_link_end(l, SYNC_PEER_ERROR_STOPPING, LWS_CLOSE_STATUS_GOINGAWAY,
                         "who may join has been changed: connect again");
        }
    }
}

/* The new configuration counts from here on. */
static void replace(net *n, peer_config *fresh, outcome *o)
{
    peer_config *old = n->config;
    char *kept = peer_config_keep(fresh, old, n->links_max, n->options->client_ca_file);
    const bool again = !peer_config_same_auth(old, fresh);
    n->config = fresh;
    if (again) {
        end_links(n);
    }
    size_t rooms = net_rooms_follow(n);
    for (net_room *r = n->rooms; r != NULL; r = r->next) {
        net_presence_changed(r); /* this peer may have another name */
    }
    note(o, PEER_EXIT_OK,
         peer_format("%s was read again; rooms that are opened anew: %zu%s%s%s", fresh->path, rooms,
                     again ? "; everybody has to show himself again" : "",
                     kept != NULL ? "; until the next start stay as they were: " : "",
                     kept != NULL ? kept : ""));
    free(kept);
    peer_config_free(old);
}

static void reload_config(net *n, outcome *o)
{
    char *why = NULL;
    int code = PEER_EXIT_OK;
    peer_config *fresh = peer_config_read(n->config->path, &why, &code);
    if (fresh != NULL && n->config->scratch == NULL && !peer_config_begin(fresh, &why)) {
        code = PEER_EXIT_ERROR;
        peer_config_free(fresh);
        fresh = NULL;
    }
    if (fresh == NULL) {
        note(o, code, peer_format("%s; the configuration stays as it was", why));
        free(why);
        return;
    }
    if (n->config->scratch == NULL) {
        n->config->scratch = fresh->scratch; /* which stays from now on */
        fresh->scratch = NULL;
    }
    replace(n, fresh, o);
}

void net_reload(net *n)
{
    outcome o = {.code = PEER_EXIT_OK};
    if (n->stopping) {
        return;
    }
    peer_supervisor_reloading();
    if (n->config != NULL) {
        reload_config(n, &o);
    }
    if (n->options->cert_file != NULL) {
        reload_certificate(n, &o);
    }
    if (o.text == NULL) {
        o.text = peer_strdup("there is nothing to be read again");
    }
    peer_notice("SIGHUP: %s", o.text);
    peer_event("reloaded", (peer_field[]){PEER_NUMBER("code", o.code), PEER_TEXT("text", o.text), PEER_END});
    peer_supervisor_ready(o.text);
    free(o.text);
}
