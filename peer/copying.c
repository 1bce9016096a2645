#include "copying.h"

#include "beneath.h"
#include "claim.h"
#include "duplicate.h"
#include "message.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SUFFIX "-snapshot"

struct peer_copy {
    char *path, *name; /* of the file that is copied, and of the copy while it has one */
    char *folder;      /* NULL: none */
    int wake_fd;
    peer_duplicate making;
    uint8_t id[16], hash[SYNC_SNAPSHOT_HASH_BYTES];
    uint64_t bytes, file_bytes;
    atomic_int state; /* peer_copy_state; the thread's last word */
    atomic_bool stopping;
    pthread_t thread;
};

static atomic_int all, made; /* copies of this process, and those that are being made */

/* Reserves one of `most`. */
static bool reserve(atomic_int *count, int most)
{
    if (atomic_fetch_add(count, 1) < most) {
        return true;
    }
    atomic_fetch_sub(count, 1);
    return false;
}

/* ---- the copy's file */

static bool claim(peer_copy *c)
{
    c->making.fd = peer_claim(c->name, 0600);
    return (c->making.fd >= 0 && ftruncate(c->making.fd, 0) == 0) ||
           peer_fail(&c->making.failure, PEER_EXIT_ERROR, "%s cannot be made: %s", c->name,
                     errno == EWOULDBLOCK ? "another process is making it" : strerror(errno));
}

void peer_copy_sweep(const char *path)
{
    char *name = peer_format("%s" SUFFIX, path);
    int fd = access(name, F_OK) == 0 ? peer_claim(name, 0600) : -1;
    if (fd >= 0) {
        unlink(name);
        close(fd);
    }
    free(name);
}

/* A full disk stops all that writes to it: what is left must be more than the copy. */
static bool has_space(peer_copy *c)
{
    struct stat st;
    struct statvfs disk;
    if (stat(c->path, &st) != 0 || fstatvfs(c->making.fd, &disk) != 0) {
        return peer_fail(&c->making.failure, PEER_EXIT_ERROR, "%s: %s", c->path, strerror(errno));
    }
    return (uint64_t)disk.f_bavail * disk.f_frsize >= (uint64_t)st.st_size + PEER_SNAPSHOT_SPARE_BYTES ||
           peer_fail(&c->making.failure, PEER_EXIT_FULL,
                     "the disk has not %lld MiB left, which a copy may take",
                     (long long)((st.st_size + PEER_SNAPSHOT_SPARE_BYTES) >> 20));
}

/* The file is complete: the schema goes behind it. */
static bool seal(peer_copy *c)
{
    struct stat st;
    bool good = fstat(c->making.fd, &st) == 0 && getrandom(c->id, sizeof c->id, 0) == (ssize_t)sizeof c->id;
    good = good && pwrite(c->making.fd, c->making.schema.data, c->making.schema.len, st.st_size) ==
                       (ssize_t)c->making.schema.len;
    if (!good) {
        return peer_fail(&c->making.failure, PEER_EXIT_ERROR, "the copy cannot be written: %s",
                         strerror(errno));
    }
    c->file_bytes = (uint64_t)st.st_size;
    c->bytes = c->file_bytes + c->making.schema.len;
    return true;
}

/* All of it, while the first of those who wait read it already. */
static bool seal_hash(peer_copy *c)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    uint8_t *chunk = malloc(PEER_SNAPSHOT_CHUNK_BYTES);
    bool good = hash != NULL && chunk != NULL && EVP_DigestInit_ex2(hash, EVP_sha256(), NULL) == 1;
    for (uint64_t at = 0; good && at < c->bytes;) {
        uint64_t left = c->bytes - at;
        size_t bytes = left < PEER_SNAPSHOT_CHUNK_BYTES ? (size_t)left : PEER_SNAPSHOT_CHUNK_BYTES;
        good = !atomic_load(&c->stopping) && peer_copy_read(c, at, chunk, bytes) &&
               EVP_DigestUpdate(hash, chunk, bytes) == 1;
        at += bytes;
    }
    good = good && EVP_DigestFinal_ex(hash, c->hash, NULL) == 1;
    EVP_MD_CTX_free(hash);
    free(chunk);
    return good ||
           peer_fail(&c->making.failure, PEER_EXIT_ERROR, "the copy cannot be read: %s", strerror(errno));
}

/* ---- the thread */

static bool make(peer_copy *c)
{
    bool good = peer_beneath_enter(c->folder, &c->making.failure) && claim(c) && has_space(c) &&
                peer_duplicate_make(&c->making);
    if (!good && c->making.fd >= 0) {
        unlink(c->name);
    }
    peer_beneath_leave();
    return good && seal(c);
}

static void tell(peer_copy *c, peer_copy_state state)
{
    const uint64_t one = 1;
    atomic_store(&c->state, state);
    ssize_t written = write(c->wake_fd, &one, sizeof one);
    (void)written; /* full means that it is awake */
}

static void *work(void *context)
{
    peer_copy *c = context;
    bool good = make(c);
    sync_buf_free(&c->making.schema);
    atomic_fetch_sub(&made, 1);
    if (good) {
        tell(c, PEER_COPY_READY);
        good = seal_hash(c);
    }
    tell(c, good ? PEER_COPY_SEALED : PEER_COPY_FAILED);
    return NULL;
}

static void discard(peer_copy *c)
{
    if (c->making.fd >= 0) {
        close(c->making.fd);
    }
    free(c->path);
    free(c->name);
    free(c->folder);
    free(c);
    atomic_fetch_sub(&all, 1);
}

peer_copy *peer_copy_begin(const char *path, const char *folder, int wake_fd)
{
    sigset_t every, before;
    if (!reserve(&all, PEER_SNAPSHOTS_MAX)) {
        return NULL;
    }
    if (!reserve(&made, PEER_SNAPSHOTS_MADE_MAX)) {
        atomic_fetch_sub(&all, 1);
        return NULL;
    }
    peer_copy *c = peer_new(sizeof *c);
    c->path = peer_strdup(path);
    c->name = peer_format("%s" SUFFIX, path);
    c->folder = peer_strdup(folder);
    c->wake_fd = wake_fd;
    c->making = (peer_duplicate){.path = c->path, .name = c->name, .fd = -1, .stopping = &c->stopping};
    atomic_init(&c->state, PEER_COPY_MAKING);
    atomic_init(&c->stopping, false);
    sigfillset(&every); /* signals belong to the network thread */
    pthread_sigmask(SIG_BLOCK, &every, &before);
    int rc = pthread_create(&c->thread, NULL, work, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        atomic_fetch_sub(&made, 1);
        discard(c);
        return NULL;
    }
    return c;
}

peer_copy_state peer_copy_look(const peer_copy *c)
{
    return (peer_copy_state)atomic_load(&c->state);
}

const char *peer_copy_why(const peer_copy *c)
{
    return c->making.failure.text;
}

const uint8_t *peer_copy_id(const peer_copy *c)
{
    return c->id;
}

const uint8_t *peer_copy_hash(const peer_copy *c)
{
    return c->hash;
}

uint64_t peer_copy_bytes(const peer_copy *c)
{
    return c->bytes;
}

uint64_t peer_copy_file_bytes(const peer_copy *c)
{
    return c->file_bytes;
}

bool peer_copy_read(const peer_copy *c, uint64_t at, void *to, size_t bytes)
{
    size_t have = 0;
    while (have < bytes) {
        ssize_t got = pread(c->making.fd, (uint8_t *)to + have, bytes - have, (off_t)(at + have));
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return false;
        }
        have += got > 0 ? (size_t)got : 0;
    }
    return true;
}

void peer_copy_end(peer_copy *c)
{
    if (c != NULL) {
        atomic_store(&c->stopping, true);
        pthread_join(c->thread, NULL);
        discard(c);
    }
}
