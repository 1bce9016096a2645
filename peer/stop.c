#include "stop.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t came;
static int pipe_ends[2] = {-1, -1}; /* a signal between a question and a wait must end the wait */

static void on_signal(int number)
{
    (void)number;
    came = 1;
    if (pipe_ends[1] >= 0) {
        ssize_t written = write(pipe_ends[1], "", 1);
        (void)written; /* full: it is readable already */
    }
}

void peer_stop_begin(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        pipe_ends[0] = pipe_ends[1] = -1;
    }
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
}

bool peer_stop_asked(void)
{
    return came != 0;
}

void peer_stop_wait(int fd, int ms)
{
    struct pollfd wanted[2] = {{.fd = pipe_ends[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    (void)poll(wanted, 2, ms); /* whoever waits looks for himself what has come */
}
