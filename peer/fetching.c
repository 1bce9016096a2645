#include "fetching.h"

#include "message.h"

#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const struct {
    peer_word word;
    const char *option;
} passed_on[] = {{PEER_WORD_TOKEN_FILE, "--token-file"},
                 {PEER_WORD_CA_FILE, "--ca-file"},
                 {PEER_WORD_PIN, "--pin"},
                 {PEER_WORD_CLIENT_CERT_FILE, "--client-cert-file"},
                 {PEER_WORD_CLIENT_KEY_FILE, "--client-key-file"}};

enum { PASSED_ON = sizeof passed_on / sizeof *passed_on, ARGUMENTS = 6 + 2 * PASSED_ON };

bool peer_fetching_is_url(const char *text)
{
    return strncmp(text, "ws://", 5) == 0 || strncmp(text, "wss://", 6) == 0;
}

/* The status of the process, or -1: it did not end by itself. */
static int wait_for(pid_t child)
{
    int status = 0;
    pid_t ended;
    do {
        ended = waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    return ended == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool peer_fetching_run(const char *url, const peer_words *w, peer_fetched *fetched, peer_failure *f)
{
    const char *temporary = getenv("TMPDIR");
    const char *arguments[ARGUMENTS + 1] = {"sync-peer", "clone", url, NULL, "--quiet"};
    int count = 5;
    pid_t child = 0;
    fetched->folder =
        peer_format("%s/sync-peer.XXXXXX", temporary != NULL && *temporary != 0 ? temporary : "/tmp");
    if (mkdtemp(fetched->folder) == NULL) {
        peer_fail(f, PEER_EXIT_ERROR, "no folder can be made for a copy of %s: %s: %s", url, fetched->folder,
                  strerror(errno));
        free(fetched->folder);
        fetched->folder = NULL;
        return false;
    }
    fetched->path = peer_format("%s/room.db", fetched->folder);
    arguments[3] = fetched->path;
    for (size_t i = 0; i < PASSED_ON; i++) {
        if (w->value[passed_on[i].word] != NULL) {
            arguments[count++] = passed_on[i].option;
            arguments[count++] = w->value[passed_on[i].word];
        }
    }
    int rc = posix_spawn(&child, "/proc/self/exe", NULL, NULL, (char *const *)arguments, environ);
    if (rc != 0) {
        return peer_fail(f, PEER_EXIT_ERROR, "%s cannot be cloned: %s", url, strerror(rc));
    }
    int status = wait_for(child);
    return status == PEER_EXIT_OK || peer_fail(f, status > 0 ? status : PEER_EXIT_ERROR,
                                               "%s cannot be compared: it could not be cloned", url);
}

/* Whatever lies in the folder is ours. */
void peer_fetching_drop(peer_fetched *fetched)
{
    DIR *folder = fetched->folder != NULL ? opendir(fetched->folder) : NULL;
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            char *path = peer_format("%s/%s", fetched->folder, entry->d_name);
            (void)unlink(path);
            free(path);
        }
    }
    if (folder != NULL) {
        closedir(folder);
        (void)rmdir(fetched->folder);
    }
    free(fetched->folder);
    free(fetched->path);
    *fetched = (peer_fetched){0};
}
