#include "supervisor.h"

#include "log.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* NULL, or what is wrong with a socket that was handed over. */
static const char *prepare(int fd)
{
    int rc = sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0);
    if (rc <= 0) {
        return rc < 0 ? strerror(-rc) : "it is no TCP socket that listens";
    }
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? strerror(errno) : NULL;
}

int peer_supervisor_sockets(int *fds, size_t max, char **why)
{
    int count = sd_listen_fds(1);
    if (count < 0) {
        *why = peer_format("LISTEN_FDS cannot be understood: %s", strerror(-count));
        return -1;
    }
    if ((size_t)count > max) {
        *why =
            peer_format("LISTEN_FDS: %d sockets are more than the %zu that can be listened on", count, max);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        fds[i] = SD_LISTEN_FDS_START + i;
        const char *wrong = prepare(fds[i]);
        if (wrong != NULL) {
            *why = peer_format("LISTEN_FDS: socket %d cannot be used: %s", fds[i], wrong);
            return -1;
        }
    }
    return count;
}

/* Takes over the text. Who asked to be told and is not would take the process for one that hangs. */
static void tell(char *state)
{
    int rc = sd_notify(0, state);
    if (rc < 0) {
        peer_notice("the service manager cannot be told how things are (NOTIFY_SOCKET): %s", strerror(-rc));
    }
    free(state);
}

void peer_supervisor_ready(const char *status)
{
    char *line = peer_strdup(status);
    for (char *at = line; *at != 0; at++) { /* each further line would be a message of its own */
        if ((unsigned char)*at < ' ') {
            *at = '?';
        }
    }
    tell(peer_format("READY=1\nSTATUS=%s", line));
    free(line);
}

void peer_supervisor_reloading(void)
{
    tell(peer_format("RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reading the configuration again",
                     peer_now_us()));
}

void peer_supervisor_stopping(void)
{
    tell(peer_strdup("STOPPING=1\nSTATUS=finishing what has begun"));
}
