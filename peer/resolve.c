/* Host names to addresses, off the network thread. */
#include "resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int look_up(const char *host, int flags, peer_addresses *to)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
    struct addrinfo *list = NULL;
    to->count = 0;
    int rc = getaddrinfo(host, NULL, &hints, &list);
    for (const struct addrinfo *a = list; rc == 0 && a != NULL && to->count < PEER_ADDRESSES_MAX;
         a = a->ai_next) {
        char *text = to->text[to->count];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof to->text[0], NULL, 0, NI_NUMERICHOST) == 0) {
            to->count++;
        }
    }
    if (list != NULL) {
        freeaddrinfo(list);
    }
    return rc;
}

bool peer_resolve_numeric(const char *host, peer_addresses *to)
{
    return look_up(host, AI_NUMERICHOST, to) == 0 && to->count > 0;
}

static void *run(void *context)
{
    peer_resolution *resolution = context;
    int rc = look_up(resolution->host, 0, &resolution->addresses);
    snprintf(resolution->why, sizeof resolution->why, "%s",
             rc != 0 ? gai_strerror(rc) : "the name has no address");
    peer_message *m = peer_message_new(PEER_RESOLVED, 0);
    m->about = resolution;
    peer_queue_put(resolution->queue, m);
    return NULL;
}

bool peer_resolve_start(const char *host, uint64_t asker, peer_queue *queue)
{
    pthread_t thread;
    peer_resolution *resolution = peer_new(sizeof *resolution);
    resolution->asker = asker;
    resolution->host = peer_strdup(host);
    resolution->queue = queue;
    if (pthread_create(&thread, NULL, run, resolution) != 0) {
        peer_resolution_free(resolution);
        return false;
    }
    pthread_detach(thread);
    return true;
}

void peer_resolution_free(peer_resolution *resolution)
{
    if (resolution != NULL) {
        free(resolution->host);
        free(resolution);
    }
}
