/* A room whose file is not there yet: a snapshot of somebody else's is taken, looked at, and becomes it. What has come lies in FILE-incoming, with a mark behind it that says
** of which snapshot it is, so that it is gone on with; nothing is at the file's own path until all is done. */
#include "room_internal.h"

#include "claim.h"
#include "clone.h"
#include "log.h"

#include <openssl/evp.h>
#include <zstd.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SUFFIX "-incoming"

static const char mark_text[8] = "snapshot";
enum { ID_BYTES = 16, MARK_BYTES = sizeof mark_text + ID_BYTES };

struct peer_taking {
    char *name;            /* FILE-incoming */
    int fd;                /* locked */
    const peer_link *from; /* who was asked; NULL: nobody */
    uint8_t id[ID_BYTES];
    int64_t since_ms;   /* when it began to wait, for the first link or another one */
    size_t unreachable; /* attempts to make a link that failed */
    uint64_t have;      /* bytes that came */
    uint64_t first;     /* ... before this process, or over another link */
    uint64_t size, file;
    EVP_MD_CTX *hash; /* of the first `hashed` bytes */
    uint64_t hashed;
    uint8_t chunk[SYNC_FRAME_BYTES_MAX + MARK_BYTES];
};

/* ---- the file that is being made */

static int exit_of_errno(int error)
{
    return error == EACCES || error == EROFS || error == EPERM      ? PEER_EXIT_READONLY
           : error == ENOSPC || error == EDQUOT                     ? PEER_EXIT_FULL
           : error == ENOENT || error == ENOTDIR || error == EEXIST ? PEER_EXIT_MISSING
                                                                    : PEER_EXIT_ERROR;
}

static bool fail(peer_room *r, const char *what, int error)
{
    return peer_fail(&r->failure, exit_of_errno(error), "%s cannot be %s: %s%s", r->options->file, what,
                     error == EWOULDBLOCK ? "another process is making it" : strerror(error),
                     peer_remedy(error));
}

/* No file, or one without a byte, as SQLite's shell makes it. */
static bool is_absent(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 ? S_ISREG(st.st_mode) && st.st_size == 0 : errno == ENOENT;
}

bool peer_taking_may(const peer_options *o)
{
    return o->url_count + o->upstream_count > 0 && is_absent(o->file);
}

/* SQLite would take them for the new file's own. */
static bool has_no_journal(peer_room *r)
{
    static const char *const suffixes[] = {"-wal", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = peer_format("%s%s", r->options->file, suffixes[i]);
        if (access(path, F_OK) == 0) {
            peer_fail(
                &r->failure, PEER_EXIT_MISSING,
                "%s is there, left by another file: move it away, or it would be taken for the new one's",
                path);
        }
        free(path);
    }
    return r->failure.code == PEER_EXIT_OK;
}

/* What came before, as far as it is whole; a writing that was broken off has left no mark behind it. */
static void read_mark(peer_taking *t)
{
    struct stat st;
    uint8_t mark[MARK_BYTES];
    if (fstat(t->fd, &st) == 0 && st.st_size > MARK_BYTES &&
        pread(t->fd, mark, sizeof mark, st.st_size - MARK_BYTES) == (ssize_t)sizeof mark &&
        memcmp(mark, mark_text, sizeof mark_text) == 0) {
        memcpy(t->id, mark + sizeof mark_text, ID_BYTES);
        t->have = t->first = (uint64_t)st.st_size - MARK_BYTES;
    }
}

static void forget(peer_taking *t)
{
    memset(t->id, 0, sizeof t->id);
    t->have = t->first = t->hashed = t->size = t->file = 0;
}

bool peer_taking_begin(peer_room *r)
{
    if (!has_no_journal(r)) {
        return false;
    }
    peer_taking *t = peer_new(sizeof *t);
    t->name = peer_format("%s" SUFFIX, r->options->file);
    t->fd = peer_claim(t->name, 0666);
    t->hash = EVP_MD_CTX_new();
    if (t->hash == NULL) {
        peer_out_of_memory();
    }
    r->taking = t;
    t->since_ms = peer_now_ms();
    if (t->fd < 0) {
        return fail(r, "made", errno);
    }
    read_mark(t);
    return true;
}

static void discard(peer_room *r, bool remove)
{
    peer_taking *t = r->taking;
    if (t->fd >= 0) {
        if (remove) {
            unlink(t->name);
        }
        close(t->fd);
    }
    EVP_MD_CTX_free(t->hash);
    free(t->name);
    free(t);
    r->taking = NULL;
}

void peer_taking_end(peer_room *r, bool done)
{
    if (r->taking != NULL) {
        discard(r, done || r->taking->have == 0);
    }
}

/* ---- who is asked */

/* It has none for us: then the tables come by deltas, into a file that is made of its schema, or as the configuration says. */
static void do_without(peer_room *r, peer_link *l)
{
    l->barren = true;
    if (!r->options->create) {
        r->taking->from = l; /* nobody else is asked for anything meanwhile */
        peer_room_send(r, l, &(sync_frame){.type = SYNC_FRAME_SCHEMA_REQUEST});
    } else if (r->options->url_count + r->options->upstream_count == 1) {
        peer_taking_end(r, true);
        peer_room_found(r);
    }
}

static void ask(peer_room *r, peer_link *l)
{
    peer_taking *t = r->taking;
    sync_frame frame = {.type = SYNC_FRAME_SNAPSHOT_REQUEST};
    memcpy(frame.snapshot_request.id.id, t->id, ID_BYTES);
    frame.snapshot_request.offset = t->have;
    t->from = l;
    t->size = t->file = 0;
    t->first = t->have;
    peer_room_send(r, l, &frame);
}

void peer_taking_link(peer_room *r, peer_link *l)
{
    if (r->taking->from != NULL || l->barren || l->closing) {
        return;
    }
    if (l->takes && l->snapshots) {
        ask(r, l);
    } else {
        do_without(r, l);
    }
}

void peer_taking_lost(peer_room *r, const peer_link *l)
{
    if (r->taking->from != l) {
        return;
    }
    r->taking->from = NULL;
    r->taking->since_ms = peer_now_ms();
    for (peer_link *other = r->links; other != NULL && r->taking != NULL && r->taking->from == NULL;
         other = other->next) {
        peer_taking_link(r, other);
    }
}

/* ---- what comes */

/* It says what cannot be, and nothing that it has sent is kept. */
static void refuse(peer_room *r, peer_link *l, const char *why)
{
    peer_taking *t = r->taking;
    forget(t);
    t->from = NULL;
    if (ftruncate(t->fd, 0) != 0) {
        fail(r, "written", errno);
    }
    peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR, "%s", why);
}

/* Is there room for all of it, under the bound of this room and on the disk? Asked once for each snapshot. */
static bool has_room(peer_room *r)
{
    const peer_taking *t = r->taking;
    struct statvfs disk;
    if (r->options->bytes_max > 0 && t->file > (uint64_t)r->options->bytes_max) {
        return peer_fail(&r->failure, PEER_EXIT_FULL,
                         "%s: a snapshot of %llu bytes is more than maxBytes of limits allows, %lld",
                         r->options->file, (unsigned long long)t->file, (long long)r->options->bytes_max);
    }
    if (fstatvfs(t->fd, &disk) != 0) {
        return fail(r, "written", errno);
    }
    return (uint64_t)disk.f_bavail * disk.f_frsize >= t->size - t->have + PEER_SNAPSHOT_SPARE_BYTES ||
           peer_fail(&r->failure, PEER_EXIT_FULL,
                     "%s cannot be made: the disk has not %llu MiB left, which a snapshot needs",
                     r->options->file,
                     (unsigned long long)((t->size - t->have + PEER_SNAPSHOT_SPARE_BYTES) >> 20));
}

/* The first chunk over a link: it goes on with what is there, or is the beginning of another snapshot. */
static bool meet(peer_room *r, const sync_frame_snapshot *s)
{
    peer_taking *t = r->taking;
    if (memcmp(t->id, s->id.id, ID_BYTES) != 0) {
        if (ftruncate(t->fd, 0) != 0) {
            return fail(r, "written", errno);
        }
        forget(t);
        memcpy(t->id, s->id.id, ID_BYTES);
    }
    t->size = s->size;
    t->file = s->file;
    if (t->have > 0 && t->have == s->offset) {
        peer_notice("%s: going on with a snapshot of which %llu of %llu MiB are here", r->options->file,
                    (unsigned long long)(t->have >> 20), (unsigned long long)(t->size >> 20));
    }
    return has_room(r);
}

/* NULL, or why a chunk cannot be. */
static const char *look_at(const peer_taking *t, const sync_frame *frame)
{
    const sync_frame_snapshot *s = &frame->snapshot;
    const bool last = s->offset + s->bytes == s->size;
    if (s->size > PEER_SNAPSHOT_BYTES_MAX || s->file == 0 || s->file > s->size ||
        s->size - s->file > PEER_SCHEMA_BYTES_MAX) {
        return "a snapshot of a size that cannot be";
    }
    if (s->bytes > SYNC_FRAME_PAYLOAD_MAX || s->offset > s->size || s->bytes > s->size - s->offset ||
        (s->bytes == 0 && !last) || frame->more || frame->payload_bytes > s->bytes ||
        (s->hash.bytes == SYNC_SNAPSHOT_HASH_BYTES) != last) {
        return "a chunk of a snapshot that cannot be";
    }
    if (t->size != 0 &&
        (memcmp(t->id, s->id.id, ID_BYTES) != 0 || t->size != s->size || t->file != s->file)) {
        return "chunks of two snapshots";
    }
    return NULL;
}

/* Hashes what is in the file already. */
static bool catch_up(peer_room *r)
{
    peer_taking *t = r->taking;
    if (t->hashed == t->have && t->have > 0) {
        return true;
    }
    bool good = EVP_DigestInit_ex2(t->hash, EVP_sha256(), NULL) == 1;
    for (t->hashed = 0; good && t->hashed < t->have;) {
        uint64_t left = t->have - t->hashed;
        size_t bytes = left < SYNC_FRAME_BYTES_MAX ? (size_t)left : SYNC_FRAME_BYTES_MAX;
        ssize_t got = pread(t->fd, t->chunk, bytes, (off_t)t->hashed);
        if (atomic_load(&r->stopping)) {
            return false;
        }
        good = got == (ssize_t)bytes && EVP_DigestUpdate(t->hash, t->chunk, bytes) == 1;
        t->hashed += bytes;
    }
    return good || fail(r, "read again", errno);
}

static bool write_chunk(peer_room *r, size_t bytes)
{
    peer_taking *t = r->taking;
    memcpy(t->chunk + bytes, mark_text, sizeof mark_text);
    memcpy(t->chunk + bytes + sizeof mark_text, t->id, ID_BYTES);
    for (size_t done = 0; done < bytes + MARK_BYTES;) {
        ssize_t written = pwrite(t->fd, t->chunk + done, bytes + MARK_BYTES - done, (off_t)(t->have + done));
        if (written <= 0 && errno != EINTR) {
            return fail(r, "written", errno);
        }
        done += written > 0 ? (size_t)written : 0;
    }
    if (EVP_DigestUpdate(t->hash, t->chunk, bytes) != 1) {
        return fail(r, "written", ENOMEM);
    }
    t->have += bytes;
    t->hashed = t->have;
    return true;
}

/* NULL, or why not. */
static const char *unpack(peer_taking *t, const sync_frame *frame)
{
    const size_t bytes = (size_t)frame->snapshot.bytes;
    if (frame->payload_bytes == bytes) {
        if (bytes > 0) {
            memcpy(t->chunk, frame->payload, bytes);
        }
        return NULL;
    }
    size_t got = ZSTD_decompress(t->chunk, bytes, frame->payload, frame->payload_bytes);
    return got == bytes ? NULL : "a chunk of a snapshot that cannot be unpacked";
}

/* ---- all of it is here */

static bool sync_folder_of(const char *path)
{
    char *folder = peer_strdup(path), *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder] = 0;
    }
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    free(folder);
    errno = error;
    return good;
}

/* It takes no other file's place, but that of one without a byte. */
static bool give_name(peer_room *r)
{
    const peer_taking *t = r->taking;
    const char *file = r->options->file;
    char *witness = peer_format("%s-sync", t->name);
    unlink(witness); /* of the file under the name that it had; it gets another */
    free(witness);
    if (!is_absent(file)) {
        return peer_fail(&r->failure, PEER_EXIT_MISSING,
                         "%s has been made by somebody else meanwhile: it is left as it is", file);
    }
    return (fsync(t->fd) == 0 && rename(t->name, file) == 0 && sync_folder_of(file)) ||
           fail(r, "made", errno);
}

static bool read_schema(peer_room *r, sync_buf *schema)
{
    const peer_taking *t = r->taking;
    const size_t bytes = (size_t)(t->size - t->file);
    if (!sync_buf_room(schema, bytes)) {
        return fail(r, "made", ENOMEM);
    }
    schema->len = bytes;
    if (pread(t->fd, schema->data, bytes, (off_t)t->file) != (ssize_t)bytes ||
        ftruncate(t->fd, (off_t)t->file) != 0) {
        return fail(r, "read again", errno);
    }
    return true;
}

/* True: it is ours now. *other: it is whole, but of another version. */
static bool adopt(peer_room *r, const peer_link *l, bool *other)
{
    sync_buf schema = {0};
    sync_error error = {0};
    if (!read_schema(r, &schema)) {
        sync_buf_free(&schema);
        return false;
    }
    int rc = peer_schema_adopt(r, r->taking->name, &schema, &error);
    sync_buf_free(&schema);
    *other = rc == SYNC_FORMAT;
    if (atomic_load(&r->stopping)) {
        ;
    } else if (*other) {
        peer_notice("%s: the snapshot that %s sent is not taken, since %s: everything comes by deltas",
                    r->options->file, l->name, error.text);
    } else if (rc == SYNC_CORRUPT || (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB) {
        peer_fail(&r->failure, PEER_EXIT_ERROR, "what %s sent as a snapshot is none: %s", l->name,
                  error.text);
    } else if (rc != SYNC_OK) {
        peer_fail(&r->failure, peer_exit_of(rc), "%s cannot be cloned: %s", l->name, error.text);
    }
    return rc == SYNC_OK;
}

static bool is_good(const peer_taking *t, const sync_frame_snapshot *s)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    return EVP_DigestFinal_ex(t->hash, hash, NULL) == 1 &&
           memcmp(hash, s->hash.at, SYNC_SNAPSHOT_HASH_BYTES) == 0;
}

static void finish(peer_room *r, peer_link *l, const sync_frame_snapshot *s)
{
    peer_taking *t = r->taking;
    t->from = NULL;
    if (!is_good(t, s)) {
        static const char text[] = "the snapshot that it sent is damaged (its SHA-256 does not match)";
        if (t->first > 0) { /* what was there before may be what is damaged: all of it again */
            refuse(r, l, text);
        } else {
            peer_fail(&r->failure, PEER_EXIT_ERROR, "%s: %s", l->name, text);
            discard(r, true);
        }
        return;
    }
    const int64_t bytes = (int64_t)t->file;
    bool other = false, good = adopt(r, l, &other) && give_name(r);
    if (other) {
        forget(t);
        do_without(r, l);
        return;
    }
    discard(r, !good);
    if (good && peer_database_adopted(&r->database, r->options, &r->stopping, &r->failure)) {
        peer_event("snapshot",
                   (peer_field[]){PEER_TEXT("link", l->name), PEER_NUMBER("bytes", bytes), PEER_END});
        peer_room_adopt(r);
    }
}

void peer_taking_frame(peer_room *r, peer_link *l, const sync_frame *frame)
{
    peer_taking *t = r->taking;
    static const uint8_t none[ID_BYTES];
    const sync_frame_snapshot *s = &frame->snapshot;
    if (t == NULL || t->from != l || l->barren) {
        peer_room_close_link(r, l, SYNC_PEER_ERROR_PROTOCOL, PEER_EXIT_ERROR,
                             "a Snapshot that nobody asked for");
        return;
    }
    l->in_weight += frame->payload_bytes + PEER_CHANGES_WEIGHT;
    if (memcmp(s->id.id, none, ID_BYTES) == 0) {
        t->from = NULL;
        do_without(r, l);
        return;
    }
    const char *wrong = look_at(t, frame);
    if (wrong == NULL && t->size == 0 && !meet(r, s)) {
        return;
    }
    wrong = wrong == NULL && s->offset != t->have ? "a chunk of a snapshot out of order" : wrong;
    if (wrong == NULL && !catch_up(r)) {
        return;
    }
    wrong = wrong == NULL ? unpack(t, frame) : wrong;
    if (wrong != NULL) {
        refuse(r, l, wrong);
    } else if (write_chunk(r, (size_t)s->bytes)) {
        r->received_bytes += (int64_t)frame->payload_bytes;
        peer_merging_ack(r, l);
        peer_counting_progress(r, false);
        if (t->have == t->size) {
            finish(r, l, s);
        }
    }
}

void peer_taking_sweep(const char *file)
{
    char *name = peer_format("%s" SUFFIX, file);
    peer_taking *t = peer_new(sizeof *t);
    t->fd = access(name, F_OK) == 0 ? peer_claim(name, 0666) : -1;
    if (t->fd >= 0) {
        read_mark(t);
        if (t->have > 0) { /* what has no mark may be anybody's */
            unlink(name);
        }
        close(t->fd);
    }
    free(t);
    free(name);
}

void peer_taking_unreachable(peer_room *r)
{
    peer_taking *t = r->taking;
    if (t != NULL && ++t->unreachable >= r->options->url_count + r->options->upstream_count && t->have == 0) {
        t->since_ms = peer_now_ms() - PEER_SNAPSHOT_WAIT_MS;
    }
}

int64_t peer_taking_due_ms(const peer_room *r)
{
    const peer_taking *t = r->taking;
    if (t == NULL || !r->options->create || t->from != NULL) {
        return INT64_MAX;
    }
    return t->since_ms + (t->have > 0 ? PEER_SNAPSHOT_BREAK_MS : PEER_SNAPSHOT_WAIT_MS);
}

double peer_taking_left(const peer_room *r, double *all)
{
    const peer_taking *t = r->taking;
    *all = t != NULL ? (double)t->size : 0;
    return t != NULL ? (double)(t->size - (t->have < t->size ? t->have : t->size)) : 0;
}
