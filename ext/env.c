#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID_PATH   "/proc/sys/kernel/random/boot_id"
#define WITNESS_SUFFIX "-sync"
#define MODE_BITS      0777

/* The witness file, byte by byte (docs/FORMAT.md, "Witness"). */
#define WITNESS_MAGIC "SYNW"
enum {
    MAGIC_AT = 0,
    MAGIC_BYTES = 4,
    VERSION_AT = 4,
    CLEAN_AT = 5,
    UNUSED_AT = 6,
    SITE_AT = 8,
    SITE_BYTES = 16,
    COUNT_AT = 24,
    TOLD_AT = 32,
    TOLD_TIME_AT = 40,
    BOOT_AT = 48,
    BOOT_BYTES = 40,
    CHECK_AT = 88,
    WITNESS_BYTES = 96,
    WITNESS_VERSION = 1
};

/* A reader may come upon a write half done; that never lasts. */
#define READ_TRIES 3

static int64_t real_now_ms(void *context)
{
    (void)context;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return 0;
    }
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int real_random(void *context, void *to, size_t bytes)
{
    (void)context;
    uint8_t *at = to;
    while (bytes > 0) {
        ssize_t got = getrandom(at, bytes, 0);
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        if (got > 0) {
            at += got;
            bytes -= (size_t)got;
        }
    }
    return 0;
}

static int real_identity(void *context, const char *path, uint64_t *device, uint64_t *inode)
{
    (void)context;
    struct stat info;
    if (stat(path, &info) != 0) {
        return -1;
    }
    *device = (uint64_t)info.st_dev;
    *inode = (uint64_t)info.st_ino;
    return 0;
}

/* Up to `bytes` bytes from the start of the file. The number read, or -1. */
static ssize_t read_all(int fd, void *to, size_t bytes)
{
    size_t have = 0;
    while (have < bytes) {
        ssize_t got = pread(fd, (uint8_t *)to + have, bytes - have, (off_t)have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        have += (size_t)got;
    }
    return (ssize_t)have;
}

static int write_all(int fd, const void *from, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t put = pwrite(fd, (const uint8_t *)from + done, bytes - done, (off_t)done);
        if (put < 0 && errno != EINTR) {
            return -1;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

/* Closes and keeps errno: what is reported is why the work failed. */
static void close_quietly(int fd)
{
    int kept = errno;
    (void)close(fd);
    errno = kept;
}

static int real_boot(void *context, char to[40])
{
    (void)context;
    memset(to, 0, BOOT_BYTES);
    int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t got = read_all(fd, to, BOOT_BYTES - 1);
    close_quietly(fd);
    to[got > 0 ? strcspn(to, "\n") : 0] = '\0';
    return to[0] != '\0' ? 0 : -1;
}

/* ---- witness ---- */

static bool join(char to[PATH_MAX], const char *path, const char *suffix)
{
    int length = snprintf(to, PATH_MAX, "%s%s", path, suffix);
    if (length < 0 || length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    return true;
}

static void put_u64(uint8_t *to, uint64_t v)
{
    for (int i = 7; i >= 0; i--) {
        to[i] = (uint8_t)v;
        v >>= 8;
    }
}

static uint64_t get_u64(const uint8_t *from)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | from[i];
    }
    return v;
}

/* FNV-1a 64 of all bytes before it. */
static uint64_t check_of(const uint8_t bytes[WITNESS_BYTES])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < CHECK_AT; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static void encode(uint8_t to[WITNESS_BYTES], const sync_witness *w)
{
    memset(to, 0, WITNESS_BYTES);
    memcpy(to + MAGIC_AT, WITNESS_MAGIC, MAGIC_BYTES);
    to[VERSION_AT] = WITNESS_VERSION;
    to[CLEAN_AT] = w->clean;
    memcpy(to + SITE_AT, w->site, SITE_BYTES);
    put_u64(to + COUNT_AT, w->count);
    put_u64(to + TOLD_AT, w->told);
    put_u64(to + TOLD_TIME_AT, w->told_at);
    memcpy(to + BOOT_AT, w->boot, strnlen(w->boot, BOOT_BYTES - 1));
    put_u64(to + CHECK_AT, check_of(to));
}

static bool decode(const uint8_t from[WITNESS_BYTES], sync_witness *w)
{
    if (memcmp(from + MAGIC_AT, WITNESS_MAGIC, MAGIC_BYTES) != 0 || from[VERSION_AT] != WITNESS_VERSION ||
        get_u64(from + CHECK_AT) != check_of(from)) {
        return false;
    }
    memset(w, 0, sizeof *w);
    memcpy(w->site, from + SITE_AT, SITE_BYTES);
    w->count = get_u64(from + COUNT_AT);
    w->told = get_u64(from + TOLD_AT);
    w->told_at = get_u64(from + TOLD_TIME_AT);
    memcpy(w->boot, from + BOOT_AT, BOOT_BYTES - 1);
    w->clean = from[CLEAN_AT] != 0;
    return true;
}

static bool is_witness_file(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == WITNESS_BYTES;
}

/* Never through a symbolic link, and never waiting for what is no ordinary file. */
static int open_witness(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

static int real_witness_read(void *context, const char *path, sync_witness *to)
{
    (void)context;
    char name[PATH_MAX];
    if (!join(name, path, WITNESS_SUFFIX)) {
        return -1;
    }
    int fd = open_witness(name, O_RDONLY);
    if (fd < 0) {
        return errno == ENOENT || errno == ELOOP ? 0 : -1;
    }
    int rc = 0;
    for (int i = 0; rc == 0 && i < READ_TRIES && is_witness_file(fd); i++) {
        uint8_t bytes[WITNESS_BYTES];
        ssize_t got = read_all(fd, bytes, sizeof bytes);
        if (got < 0) {
            rc = -1;
        } else if (got == WITNESS_BYTES && decode(bytes, to)) {
            rc = 1;
        }
    }
    close_quietly(fd);
    return rc;
}

static int sync_directory_of(const char *path)
{
    char name[PATH_MAX];
    if (!join(name, path, "")) {
        return -1;
    }
    char *slash = strrchr(name, '/');
    if (slash == NULL) {
        (void)snprintf(name, sizeof name, ".");
    } else {
        slash[slash == name ? 1 : 0] = '\0';
    }
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int rc = fsync(fd);
    close_quietly(fd);
    return rc;
}

/* With the mode and, where that is allowed, the owner of FILE: whoever may write the one may write the other. */
static int write_new(int fd, const struct stat *file, const uint8_t bytes[WITNESS_BYTES], bool durable)
{
    if (fchown(fd, file->st_uid, file->st_gid) != 0 && errno != EPERM) {
        return -1;
    }
    if (fchmod(fd, file->st_mode & MODE_BITS) != 0 || write_all(fd, bytes, WITNESS_BYTES) != 0) {
        return -1;
    }
    return durable ? fsync(fd) : 0;
}

static int create_witness(const char *path, const char *name, const uint8_t bytes[WITNESS_BYTES],
                          bool durable)
{
    struct stat file;
    char temporary[PATH_MAX];
    if (stat(path, &file) != 0 || !join(temporary, name, ".XXXXXX")) {
        return -1;
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int rc = write_new(fd, &file, bytes, durable);
    close_quietly(fd);
    if (rc == 0) {
        rc = rename(temporary, name);
    }
    if (rc != 0) {
        int kept = errno;
        (void)unlink(temporary);
        errno = kept;
        return -1;
    }
    return durable ? sync_directory_of(name) : 0;
}

static int real_witness_write(void *context, const char *path, const sync_witness *w, bool durable)
{
    (void)context;
    char name[PATH_MAX];
    uint8_t bytes[WITNESS_BYTES];
    if (!join(name, path, WITNESS_SUFFIX)) {
        return -1;
    }
    encode(bytes, w);
    int fd = open_witness(name, O_WRONLY);
    if (fd >= 0 && is_witness_file(fd)) {
        int rc = write_all(fd, bytes, sizeof bytes);
        if (rc == 0 && durable) {
            rc = fsync(fd);
        }
        close_quietly(fd);
        return rc;
    }
    if (fd >= 0) {
        close_quietly(fd);
    } else if (errno != ENOENT && errno != ELOOP && errno != ENXIO) {
        return -1;
    }
    return create_witness(path, name, bytes, durable);
}

static int real_witness_remove(void *context, const char *path)
{
    (void)context;
    char name[PATH_MAX];
    if (!join(name, path, WITNESS_SUFFIX)) {
        return -1;
    }
    return unlink(name) == 0 || errno == ENOENT ? 0 : -1;
}

static int real_sync_file(void *context, const char *path)
{
    (void)context;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    int rc = fsync(fd);
    close_quietly(fd);
    return rc;
}

static const sync_env real = {
    .now_ms = real_now_ms,
    .random = real_random,
    .identity = real_identity,
    .boot = real_boot,
    .witness_read = real_witness_read,
    .witness_write = real_witness_write,
    .witness_remove = real_witness_remove,
    .sync_file = real_sync_file,
};

static _Atomic(const sync_env *) current = &real;

const sync_env *sync_env_get(void)
{
    return atomic_load_explicit(&current, memory_order_acquire);
}

void sync_env_set(const sync_env *env)
{
    atomic_store_explicit(&current, env != NULL ? env : &real, memory_order_release);
}
