#include "site.h"

#include <errno.h>
#include <string.h>

static const char *file_path(sync_db *s)
{
    const char *path = sqlite3_db_filename(s->db, "main");
    return path && *path ? path : NULL;
}

/* The boot id does not change under a process: it is read once. "" where there is none. */
static const char *boot_id(sync_db *s)
{
    const sync_env *env = sync_env_get();
    if (!s->boot_read) {
        if (env->boot(env->context, s->boot) != 0) {
            s->boot[0] = 0;
        }
        s->boot_read = true;
    }
    return s->boot;
}

void sync_site_look(sync_db *s, sync_outside *outside)
{
    const sync_env *env = sync_env_get();
    const char *path = file_path(s);
    *outside = (sync_outside){0};
    if (path == NULL || env->identity(env->context, path, &outside->device, &outside->inode) != 0) {
        return;
    }
    sync_witness w;
    outside->known = true;
    outside->witness = env->witness_read(env->context, path, &w);
    if (outside->witness == 1) {
        memcpy(outside->site, w.site, SYNC_SITE_BYTES);
        outside->count = w.count;
        outside->told = w.told;
        outside->told_at = w.told_at;
        outside->clean = w.clean;
        outside->same_boot = boot_id(s)[0] == 0 || strcmp(boot_id(s), w.boot) == 0;
    }
}

/* Time of a journal entry, or 0. */
static int entry_time(sync_db *s, uint64_t seq, uint64_t *at, sync_error *error)
{
    int64_t found = 0;
    int rc = sync_query_bound(s, &found, 0, (int64_t)seq, error,
                              "SELECT at FROM main.sync_journal WHERE seq = ?1");
    *at = (uint64_t)found;
    return rc;
}

/* Entries up to this one have left, or are about to. */
static void note_told(sync_db *s, uint64_t seq)
{
    const uint8_t *own = s->site_ids[s->own_site];
    if (memcmp(s->told_site, own, SYNC_SITE_BYTES) != 0) {
        memcpy(s->told_site, own, SYNC_SITE_BYTES);
        s->told = 0;
    }
    s->told = seq > s->told ? seq : s->told;
}

bool sync_site_told(const sync_db *s, int64_t seq)
{
    return sync_site_of(s, seq) != s->own_site ||
           ((uint64_t)seq <= s->told && memcmp(s->told_site, s->site_ids[s->own_site], SYNC_SITE_BYTES) == 0);
}

uint32_t sync_site_of(const sync_db *s, int64_t seq)
{
    return s->told_before_sid != 0 && (uint64_t)seq <= s->told_before ? s->told_before_sid : s->own_site;
}

/* The tail that was told of under the id that is given up keeps its stamps, or its rows would be born twice. Only where it is certain: the
** file stands where the witness says, and the entry that it names is there, so that those before it are as well. */
static int keep_told(sync_db *s, const sync_outside *outside, sync_error *error)
{
    uint64_t at = 0;
    s->told_before_sid = 0;
    if (outside == NULL || outside->witness != 1 || outside->count != s->count ||
        outside->told <= (uint64_t)s->folded ||
        memcmp(outside->site, s->site_ids[s->own_site], SYNC_SITE_BYTES) != 0) {
        return SYNC_OK;
    }
    int rc = entry_time(s, outside->told, &at, error);
    if (rc == SYNC_OK && at == outside->told_at) {
        s->told_before_sid = s->own_site;
        s->told_before = outside->told;
    }
    return rc;
}

int sync_site_stale(sync_db *s, const sync_outside *outside, bool *stale, sync_error *error)
{
    uint64_t at = 0;
    *stale = outside->known && outside->inode != s->inode; /* the device number alone proves nothing */
    const uint8_t *own = s->site_ids[s->own_site];
    bool forsaken = outside->count == s->forsaken_count &&
                    memcmp(outside->site, s->forsaken_site, SYNC_SITE_BYTES) == 0 &&
                    memcmp(own, s->forsaken_for, SYNC_SITE_BYTES) == 0;
    if (outside->witness == 1 && memcmp(outside->site, own, SYNC_SITE_BYTES) == 0) {
        note_told(s, outside->told);
    }
    if (!outside->known || *stale || outside->witness != 1 || forsaken) {
        return SYNC_OK;
    }
    *stale = memcmp(outside->site, own, SYNC_SITE_BYTES) != 0 || outside->count > s->count ||
             (!outside->same_boot && !outside->clean);
    /* what was told from a virtual fold is still in the tail, unless somebody put an older file in its place */
    if (*stale || outside->count != s->count || outside->told <= (uint64_t)s->folded) {
        return SYNC_OK;
    }
    int rc = entry_time(s, outside->told, &at, error);
    *stale = at != outside->told_at;
    return rc;
}

int sync_site_renew(sync_db *s, const sync_outside *outside, sync_error *error)
{
    const sync_env *env = sync_env_get();
    const char *path = file_path(s);
    uint8_t site[SYNC_SITE_BYTES];
    uint64_t device = 0, inode = 0;
    sync_matrix seen = {0};
    if (env->random(env->context, site, sizeof site) != 0) {
        return sync_fail(error, SYNC_IOERR, "no random numbers for a site id");
    }
    if (path) {
        (void)env->identity(env->context, path, &device, &inode); /* without one it stays 0, 0 */
    }
    int rc = keep_told(s, outside, error);
    rc = rc == SYNC_OK ? sync_engine_seen(s, &seen, error) : rc; /* of the old site it holds what it has */
    rc = rc == SYNC_OK ? sync_engine_save_seen(s, &seen, error) : rc;
    sync_matrix_free(&seen);
    uint32_t sid = rc == SYNC_OK ? sync_engine_site(s, site, error) : 0;
    if (sid == 0) {
        return rc == SYNC_OK ? error->code : rc;
    }
    if (outside && outside->witness == 1) {
        memcpy(s->forsaken_site, outside->site, SYNC_SITE_BYTES);
        memcpy(s->forsaken_for, site, SYNC_SITE_BYTES);
        s->forsaken_count = outside->count;
    }
    uint32_t former = s->own_site;
    s->own_site = sid;
    s->device = device;
    s->inode = inode;
    s->overlay.valid = false;
    return sync_exec(s, error,
                     "UPDATE main.sync_site SET own = %lld WHERE sid = %u;"
                     "UPDATE main.sync_meta SET site = %u, device = %lld, inode = %lld, count = count + 1",
                     (long long)s->hlc, former, sid, (long long)device, (long long)inode);
}

int sync_site_kept(sync_db *s, uint64_t hlc, sync_error *error)
{
    sync_matrix seen = {0};
    int rc = sync_engine_seen(s, &seen, error);
    for (uint32_t t = 0; rc == SYNC_OK && t < s->table_count; t++) {
        sync_matrix_raise(&seen, t, s->told_before_sid, hlc);
    }
    rc = rc == SYNC_OK ? sync_engine_save_seen(s, &seen, error) : rc;
    sync_matrix_free(&seen);
    return rc == SYNC_OK
               ? sync_exec(s, error, "UPDATE main.sync_site SET own = max(own, %lld) WHERE sid = %u",
                           (long long)hlc, s->told_before_sid)
               : rc;
}

typedef struct vectors {
    sync_matrix seen, cursors, floor, met;
} vectors;

/* What others have of a table is to come again. Under the same name, what is not known here of what was seen was deleted and may be forgotten, and stays so: the
** floor stands for what was seen, for as long as nobody can say it again perhaps. So it has a mark of this file above all that it has told of: who holds that has the floor.
** Under another name (`elsewhere`) others may have rows that this file has never seen, or wrote and has forgotten. own: before it took a new id, whose rows are still here. */
static bool ask_anew(const sync_db *s, uint32_t table, bool elsewhere, uint32_t own, vectors *all)
{
    bool forgets = false;
    for (uint32_t i = 0; i < s->sites.count; i++) {
        forgets = forgets || sync_matrix_at(&all->floor, table, i) != 0;
    }
    for (uint32_t i = 0; i < s->sites.count; i++) {
        uint64_t seen = sync_matrix_at(&all->seen, table, i);
        if (elsewhere) {
            sync_matrix_set(&all->floor, table, i, 0);
        } else if (forgets) {
            sync_matrix_raise(&all->floor, table, i, i == s->own_site ? s->hlc + 1 : seen);
        }
        if (i != own || (elsewhere && forgets)) {
            sync_matrix_raise(&all->met, table, i, seen);
            sync_matrix_set(&all->seen, table, i, 0);
        }
        sync_matrix_set(&all->cursors, table, i, 0);
    }
    return forgets && !elsewhere;
}

/* The mark that ask_anew made is held: what waits in the tail gets stamps from there on, which may have been told, and where nothing waits the clock goes on. */
static int pass_mark(sync_db *s, sync_error *error)
{
    int64_t newest = 0;
    int rc = sync_query_int(s, &newest, 0, error, "SELECT max(seq) FROM main.sync_journal");
    s->hlc += rc == SYNC_OK && newest <= s->folded;
    return rc == SYNC_OK ? sync_engine_save(s, error) : rc;
}

int sync_site_anew(sync_db *s, const sync_outside *outside, bool *renewed, sync_error *error)
{
    sync_span noted = sync_span_of(s->anew.data, s->anew.len);
    vectors all = {0};
    uint32_t before = s->own_site;
    bool elsewhere = false, marked = false;
    if (s->anew.len == 0) {
        return SYNC_OK;
    }
    while (sync_span_left(&noted) > 0) {
        elsewhere = (sync_span_u64(&noted) & 1) || elsewhere; /* each is read */
    }
    int rc = elsewhere ? sync_site_renew(s, outside, error) : SYNC_OK;
    *renewed = *renewed || elsewhere;
    s->count += elsewhere;
    rc = rc == SYNC_OK ? sync_engine_seen(s, &all.seen, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_cursors(s, &all.cursors, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_floor(s, &all.floor, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_met(s, &all.met, error) : rc;
    noted = sync_span_of(s->anew.data, s->anew.len);
    while (rc == SYNC_OK && sync_span_left(&noted) > 0) {
        uint64_t note = sync_span_u64(&noted);
        const sync_table *t = sync_engine_tid(s, (uint32_t)(note >> 1));
        if (t) {
            marked = ask_anew(s, (uint32_t)(t - s->tables), (note & 1) != 0, before, &all) || marked;
        }
    }
    rc = rc == SYNC_OK ? sync_engine_save_seen(s, &all.seen, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_save_cursors(s, &all.cursors, error) : rc;
    rc = rc == SYNC_OK ? sync_engine_save_floor(s, &all.floor, error)
                       : rc; /* without tables that were let go */
    rc = rc == SYNC_OK ? sync_engine_save_met(s, &all.met, error) : rc;
    rc = rc == SYNC_OK && marked ? pass_mark(s, error) : rc;
    sync_matrix_free(&all.seen);
    sync_matrix_free(&all.cursors);
    sync_matrix_free(&all.floor);
    sync_matrix_free(&all.met);
    sync_buf_reset(&s->anew);
    return rc;
}

/* Is there a witness of this file's id, written since the machine started, that is not clean? After a power cut that is enough: what else it
** says may be older. */
static bool is_on_disk(const sync_db *s, const sync_outside *outside)
{
    return outside->witness == 1 && outside->same_boot && !outside->clean &&
           memcmp(outside->site, s->site_ids[s->own_site], SYNC_SITE_BYTES) == 0;
}

static void write_witness(sync_db *s, const char *path, sync_witness *w, bool to_disk)
{
    const sync_env *env = sync_env_get();
    memcpy(w->site, s->site_ids[s->own_site], SYNC_SITE_BYTES);
    memcpy(w->boot, boot_id(s), sizeof w->boot);
    if (env->witness_write(env->context, path, w, to_disk) == 0) {
        s->witness_written = true;
        if (s->path == NULL && (s->path = sync_alloc(strlen(path) + 1)) != NULL) {
            memcpy(s->path, path, strlen(path) + 1);
        }
    } else if (!s->witness_complained) {
        s->witness_complained = true;
        sqlite3_log(
            SQLITE_WARNING,
            "sync_ext: no witness file can be written beside %s (%s): a restored backup may go unnoticed",
            path, strerror(errno));
    }
}

void sync_site_stamps(sync_db *s, const sync_outside *outside)
{
    const char *path = file_path(s);
    bool own = outside->witness == 1 && memcmp(outside->site, s->site_ids[s->own_site], SYNC_SITE_BYTES) == 0;
    sync_witness w = {.count = own ? outside->count : 0,
                      .told = own ? outside->told : 0,
                      .told_at = own ? outside->told_at : 0};
    if (path != NULL && outside->known && !is_on_disk(s, outside)) {
        write_witness(s, path, &w, true);
    }
}

void sync_site_stamped(sync_db *s)
{
    const sync_env *env = sync_env_get();
    const char *path = file_path(s);
    sync_witness w; /* as it is now: others may have told of the file meanwhile */
    if (path != NULL && env->witness_read(env->context, path, &w) == 1 && w.count < s->count &&
        memcmp(w.site, s->site_ids[s->own_site], SYNC_SITE_BYTES) == 0) {
        w.count = s->count;
        w.clean = false;
        write_witness(s, path, &w, false);
    }
    s->stamped = false;
}

int sync_site_testify(sync_db *s, const sync_outside *outside, sync_error *error)
{
    const char *path = file_path(s);
    sync_witness w = {.count = s->count, .told = (uint64_t)s->overlay.folded, .clean = false};
    note_told(s, w.told);
    if (path == NULL || !outside->known) {
        return SYNC_OK;
    }
    int rc = entry_time(s, w.told, &w.told_at, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    bool on_disk = is_on_disk(s, outside);
    if (on_disk && outside->count == w.count && outside->told == w.told && outside->told_at == w.told_at) {
        return SYNC_OK;
    }
    write_witness(s, path, &w, !on_disk || outside->told == 0);
    return SYNC_OK;
}

int sync_site_own(sync_db *s, uint32_t sid, uint64_t *upto, sync_error *error)
{
    int64_t own = 0;
    *upto = UINT64_MAX;
    if (sid == s->own_site) {
        return SYNC_OK;
    }
    int rc = sync_query_bound(s, &own, 0, sid, error, "SELECT own FROM main.sync_site WHERE sid = ?1");
    *upto = own > 0 ? (uint64_t)own : 0;
    return rc;
}

void sync_site_close(sync_db *s)
{
    const sync_env *env = sync_env_get();
    sync_witness w;
    if (!s->witness_written || s->path == NULL || env->witness_read(env->context, s->path, &w) != 1) {
        return;
    }
    size_t bytes = strlen(s->path);
    char *wal = sync_alloc(bytes + 5);
    if (wal == NULL) {
        return;
    }
    memcpy(wal, s->path, bytes);
    memcpy(wal + bytes, "-wal", 5);
    /* The log alone: SQLite itself syncs the database before it gives up a log, and opening the database here would drop its locks. */
    bool on_disk = env->sync_file(env->context, wal) == 0;
    sync_free(wal);
    if (on_disk) {
        w.clean = true;
        (void)env->witness_write(env->context, s->path, &w,
                                 false); /* unclean is merely the cautious answer */
    }
}
