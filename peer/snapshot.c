#include "snapshot.h"

#include "exits.h"
#include "file.h"
#include "log.h"
#include "message.h"
#include "peer_limits.h"
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is folded bears stamps; an entry that is not would get others in the copy. Marks of tracking are no entries, and not counted. */
static const char tail_sql[] = "SELECT coalesce(sum(tail), 0) FROM sync_status";

static bool fail_by(peer_failure *f, const char *name, const char *what, int error)
{
    return peer_fail(f,
                     error == EACCES || error == EROFS || error == EPERM      ? PEER_EXIT_READONLY
                     : error == ENOSPC || error == EDQUOT                     ? PEER_EXIT_FULL
                     : error == ENOENT || error == ENOTDIR || error == EEXIST ? PEER_EXIT_MISSING
                                                                              : PEER_EXIT_ERROR,
                     error == EEXIST ? "%s exists already; snapshot makes a new file"
                                     : "%s cannot be %s: %s%s",
                     name, what, strerror(error), peer_remedy(error));
}

/* Nothing may stand there, nor what SQLite would take for the new file's own log. */
static bool is_free(const char *name, peer_failure *f)
{
    static const char *const suffixes[] = {"", "-wal", "-journal"};
    struct stat st;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = peer_format("%s%s", name, suffixes[i]);
        bool there = lstat(path, &st) == 0;
        if (there && i > 0) {
            peer_fail(
                f, PEER_EXIT_MISSING,
                "%s is there, left by another file: move it away, or it would be taken for the new one's",
                path);
        } else if (there) {
            fail_by(f, name, "made", EEXIST);
        }
        free(path);
    }
    return f->code == PEER_EXIT_OK;
}

/* Opens a read transaction in which everything is folded. Programs may write between a fold and the look that follows. */
static bool begin_folded(const peer_file *from, peer_failure *f)
{
    int64_t tail = 1;
    for (int i = 0; i < PEER_SNAPSHOT_ATTEMPTS; i++) {
        if (!peer_file_run(from, "BEGIN", f) || !peer_file_ask(from, tail_sql, &tail, f)) {
            return false;
        }
        if (tail == 0) {
            return true;
        }
        if (!peer_file_run(from, "ROLLBACK", f) || !peer_file_run(from, "SELECT sync_fold()", f)) {
            return false;
        }
    }
    return peer_fail(f, PEER_EXIT_BUSY,
                     "%s is written to without a pause: no moment was found at which all of it is folded",
                     from->name);
}

static bool copy_pages(const peer_file *from, sqlite3 *to, const char *name, peer_failure *f)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from->db, "main");
    int rc = backup != NULL ? SQLITE_OK : sqlite3_errcode(to);
    while (rc == SQLITE_OK && !peer_stop_asked()) {
        rc = sqlite3_backup_step(backup, PEER_SNAPSHOT_PAGES);
    }
    const int finished = backup != NULL ? sqlite3_backup_finish(backup) : rc;
    if (rc == SQLITE_OK) {
        return peer_fail(f, PEER_EXIT_STOPPED, "%s: stopped before it was done", name);
    }
    if (rc == SQLITE_DONE && finished == SQLITE_OK) {
        return true;
    }
    const peer_database target = {.path = (char *)name};
    return peer_connection_fail(&target, to, f, "cannot be written", rc == SQLITE_DONE ? finished : rc);
}

/* Nobody opens the unfinished copy, and it is written to disk as a whole: it needs no journal. */
static bool copy(const peer_file *from, const char *unfinished, const char *name, peer_failure *f)
{
    sqlite3 *to = NULL;
    int rc = sqlite3_open_v2(unfinished, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    rc = rc == SQLITE_OK
             ? sqlite3_exec(to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL, NULL)
             : rc;
    const peer_database target = {.path = (char *)name};
    bool good = rc == SQLITE_OK || peer_connection_fail(&target, to, f, "cannot be written", rc);
    good = good && copy_pages(from, to, name, f);
    return sqlite3_close(to) == SQLITE_OK && good;
}

static bool write_out(const char *path, int flags, const char *name, peer_failure *f)
{
    int fd = open(path, flags | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    return good || fail_by(f, name, "written to disk", error);
}

/* Its name comes last, and takes nobody's place. */
static bool give_name(const char *unfinished, const char *name, peer_failure *f)
{
    char *folder = peer_strdup(name), *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder] = 0;
    }
    bool good = is_free(name, f) && (link(unfinished, name) == 0 || fail_by(f, name, "made", errno));
    if (good && !write_out(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY, name, f)) {
        good = false;
        unlink(name);
    }
    free(folder);
    return good;
}

/* Who may read it, as before; it is written until then. */
static bool give_mode(const peer_file *from, const char *unfinished, const char *name, peer_failure *f)
{
    struct stat st;
    return (stat(from->path, &st) == 0 && chmod(unfinished, st.st_mode & 0777) == 0) ||
           fail_by(f, name, "made", errno);
}

static bool make(const peer_file *from, const char *name, peer_failure *f)
{
    char *unfinished = peer_format("%s.XXXXXX", name); /* of this process alone: two may make the same file */
    int fd = mkostemp(unfinished, O_CLOEXEC);
    if (fd < 0) {
        fail_by(f, name, "made", errno);
        free(unfinished);
        return false;
    }
    close(fd);
    bool good = begin_folded(from, f) && copy(from, unfinished, name, f) &&
                write_out(unfinished, O_RDWR, name, f) && give_mode(from, unfinished, name, f) &&
                give_name(unfinished, name, f);
    unlink(unfinished);
    free(unfinished);
    return good;
}

int peer_snapshot_run(const peer_words *w)
{
    peer_failure f = {0};
    peer_file from;
    int64_t version = 0;

    bool good = peer_file_open(&from, w->file[0], &f) && is_free(w->file[1], &f) &&
                make(&from, w->file[1], &f) && peer_file_ask(&from, "SELECT sync_version()", &version, &f);
    peer_file_close(&from);
    if (!good) {
        peer_error(f.code, "%s", f.text);
        return f.code;
    }
    peer_event("copied", (peer_field[]){PEER_TEXT("file", w->file[0]), PEER_TEXT("copy", w->file[1]),
                                        PEER_NUMBER("version", version), PEER_END});
    peer_notice("%s is %s at version %lld; it takes an id of its own when it is first used", w->file[1],
                w->file[0], (long long)version);
    return PEER_EXIT_OK;
}
