#include "vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JULIAN_MS INT64_C(210866760000000) /* of 1970 */
#define SHM_BYTES 32768

int64_t sim_now_ms;
sim_machine *sim_here;
sim_dice sim_chance;
int sim_intrude_at;
void (*sim_intrude)(void);

typedef struct vfs_file {
    sqlite3_file base;
    sim_machine *machine;
    sim_node *node;
    int lock;
    bool shm;
    uint8_t shm_shared;    /* a bit for each lock */
    uint8_t shm_exclusive; /* likewise */
} vfs_file;

static void moment(void)
{
    if (sim_intrude_at > 0 && --sim_intrude_at == 0 && sim_intrude) {
        sim_machine *here = sim_here;
        sim_intrude();
        sim_here = here;
    }
}

/* A result code of SQLite's, after whatever strikes now. */
static int strike(sim_machine *m, int code)
{
    switch (disk_strike(m)) {
    case FAULT_NONE:
        return SQLITE_OK;
    case FAULT_FULL:
        return SQLITE_FULL;
    default:
        return code;
    }
}

static int file_unlock(sqlite3_file *file, int level);
static int file_shm_unmap(sqlite3_file *file, int delete_it);

static int file_close(sqlite3_file *file)
{
    vfs_file *f = (vfs_file *)file;
    if (!f->machine->dead) {
        (void)file_unlock(file, SQLITE_LOCK_NONE);
        (void)file_shm_unmap(file, 0);
    }
    if (f->node->opens > 0) {
        disk_close(f->node);
    }
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 offset)
{
    vfs_file *f = (vfs_file *)file;
    if (f->machine->dead) {
        return SQLITE_IOERR_READ;
    }
    disk_read(f->node, to, (size_t)bytes, (uint64_t)offset);
    return (uint64_t)offset + (uint64_t)bytes > f->node->now.size ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset)
{
    vfs_file *f = (vfs_file *)file;
    bool was_dead = f->machine->dead;
    int rc = strike(f->machine, SQLITE_IOERR_WRITE);
    if (rc != SQLITE_OK && !was_dead && bytes > 1) { /* the first half of it still arrived */
        (void)disk_write(f->node, from, (size_t)bytes / 2, (uint64_t)offset);
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    return disk_write(f->node, from, (size_t)bytes, (uint64_t)offset) == 0 ? SQLITE_OK : SQLITE_NOMEM;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    vfs_file *f = (vfs_file *)file;
    int rc = strike(f->machine, SQLITE_IOERR_TRUNCATE);
    if (rc != SQLITE_OK) {
        return rc;
    }
    return disk_truncate(f->node, (uint64_t)size) == 0 ? SQLITE_OK : SQLITE_NOMEM;
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    vfs_file *f = (vfs_file *)file;
    int rc = strike(f->machine, SQLITE_IOERR_FSYNC);
    if (rc == SQLITE_OK) {
        disk_sync(f->node);
    }
    return rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    vfs_file *f = (vfs_file *)file;
    *size = (sqlite3_int64)f->node->now.size;
    return f->machine->dead ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    vfs_file *f = (vfs_file *)file;
    sim_node *n = f->node;
    if (f->machine->dead) {
        return SQLITE_IOERR_LOCK;
    }
    if (level <= f->lock) {
        return SQLITE_OK;
    }
    if (level == SQLITE_LOCK_SHARED) {
        moment();
        if (f->machine->dead) {
            return SQLITE_IOERR_LOCK;
        }
        if (n->waiting || n->exclusive) {
            return SQLITE_BUSY;
        }
        n->shared++;
    } else if (level == SQLITE_LOCK_RESERVED) {
        if (n->reserved) {
            return SQLITE_BUSY;
        }
        n->reserved++;
    } else {
        if (f->lock < SQLITE_LOCK_PENDING) {
            if (n->waiting) {
                return SQLITE_BUSY;
            }
            n->waiting++;
            n->reserved +=
                f->lock < SQLITE_LOCK_RESERVED; /* hot journals are rolled back straight from SHARED */
            f->lock = SQLITE_LOCK_PENDING;
        }
        if (n->shared > 1) {
            return SQLITE_BUSY;
        }
        n->exclusive++;
    }
    f->lock = level;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *file, int level)
{
    vfs_file *f = (vfs_file *)file;
    sim_node *n = f->node;
    if (f->machine->dead || level >= f->lock) {
        return SQLITE_OK;
    }
    n->exclusive -= f->lock == SQLITE_LOCK_EXCLUSIVE;
    n->waiting -= f->lock >= SQLITE_LOCK_PENDING;
    n->reserved -= f->lock >= SQLITE_LOCK_RESERVED;
    n->shared -= level == SQLITE_LOCK_NONE;
    f->lock = level;
    return SQLITE_OK;
}

static int file_check(sqlite3_file *file, int *reserved)
{
    vfs_file *f = (vfs_file *)file;
    *reserved = f->node->reserved > 0;
    return f->machine->dead ? SQLITE_IOERR_CHECKRESERVEDLOCK : SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *argument)
{
    (void)file;
    (void)op;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *file)
{
    (void)file;
    return 512;
}

static int file_characteristics(sqlite3_file *file)
{
    return ((vfs_file *)file)->machine->psow ? SQLITE_IOCAP_POWERSAFE_OVERWRITE : 0;
}

static int file_shm_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **to)
{
    vfs_file *f = (vfs_file *)file;
    sim_node *n = f->node;
    *to = NULL;
    if (f->machine->dead || region >= SIM_SHM || bytes != SHM_BYTES) {
        return SQLITE_IOERR_SHMMAP;
    }
    n->shm_users += !f->shm;
    f->shm = true;
    if (n->shm[region] == NULL && extend && (n->shm[region] = calloc(1, SHM_BYTES)) == NULL) {
        return SQLITE_NOMEM;
    }
    *to = n->shm[region];
    return SQLITE_OK;
}

static int shm_take(vfs_file *f, int first, int count, bool exclusive)
{
    sim_node *n = f->node;
    for (int i = first; i < first + count; i++) {
        int others = n->shm_shared[i] - (f->shm_shared >> i & 1);
        if ((n->shm_exclusive[i] && !(f->shm_exclusive >> i & 1)) || (exclusive && others > 0)) {
            return SQLITE_BUSY;
        }
    }
    for (int i = first; i < first + count; i++) {
        uint8_t bit = (uint8_t)(1u << i);
        if (exclusive) {
            n->shm_exclusive[i] = true;
            f->shm_exclusive |= bit;
        } else {
            n->shm_shared[i] += !(f->shm_shared & bit);
            f->shm_shared |= bit;
        }
    }
    return SQLITE_OK;
}

static void shm_give(vfs_file *f, int first, int count)
{
    sim_node *n = f->node;
    for (int i = first; i < first + count; i++) {
        uint8_t bit = (uint8_t)(1u << i);
        n->shm_shared[i] -= (f->shm_shared & bit) != 0;
        if (f->shm_exclusive & bit) {
            n->shm_exclusive[i] = false;
        }
        f->shm_shared &= (uint8_t)~bit;
        f->shm_exclusive &= (uint8_t)~bit;
    }
}

static int file_shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    vfs_file *f = (vfs_file *)file;
    if (f->machine->dead) {
        return SQLITE_IOERR_SHMLOCK;
    }
    if (flags & SQLITE_SHM_UNLOCK) {
        shm_give(f, first, count);
        return SQLITE_OK;
    }
    moment();
    return f->machine->dead ? SQLITE_IOERR_SHMLOCK : shm_take(f, first, count, flags & SQLITE_SHM_EXCLUSIVE);
}

static void file_shm_barrier(sqlite3_file *file)
{
    (void)file;
}

static int file_shm_unmap(sqlite3_file *file, int delete_it)
{
    (void)delete_it; /* the memory goes with its last user in any case */
    vfs_file *f = (vfs_file *)file;
    sim_node *n = f->node;
    if (!f->shm || f->machine->dead) {
        return SQLITE_OK;
    }
    shm_give(f, 0, SIM_SHM_LOCK);
    f->shm = false;
    if (--n->shm_users == 0) {
        for (int i = 0; i < SIM_SHM; i++) {
            free(n->shm[i]);
            n->shm[i] = NULL;
        }
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static sim_machine *machine_of(const char *path)
{
    int index = 0;
    if (path == NULL || sscanf(path, "/m%d/", &index) != 1 || index < 0 || index >= SIM_MACHINES) {
        return sim_here;
    }
    return disk_machine(index);
}

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    vfs_file *f = (vfs_file *)file;
    memset(f, 0, sizeof *f);
    f->machine = machine_of(name);
    if (f->machine->dead) {
        return SQLITE_CANTOPEN;
    }
    if (name && !(flags & SQLITE_OPEN_CREATE) && disk_find(f->machine, name) == NULL) {
        return SQLITE_CANTOPEN;
    }
    f->node = disk_open(f->machine, name ? name : "");
    if (f->node == NULL) {
        return SQLITE_CANTOPEN;
    }
    f->base.pMethods = &methods;
    if (out) {
        *out = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    (void)sync; /* names are on disk at once */
    sim_machine *m = machine_of(name);
    int rc = strike(m, SQLITE_IOERR_DELETE);
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (disk_find(m, name) == NULL) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    disk_delete(m, name);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    (void)vfs;
    sim_node *n = disk_find(machine_of(name), name);
    *result = n != NULL && (flags != SQLITE_ACCESS_EXISTS || n->now.size > 0);
    return machine_of(name)->dead ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int vfs_full(sqlite3_vfs *vfs, const char *name, int bytes, char *to)
{
    (void)vfs;
    sqlite3_snprintf(bytes, to, "%s", name);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int bytes, char *to)
{
    (void)vfs;
    for (int i = 0; i < bytes; i++) {
        to[i] = (char)dice_next(&sim_chance);
    }
    return bytes;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    sim_now_ms += us / 1000;
    return us;
}

static int64_t clock_of(const sim_machine *m)
{
    return sim_now_ms + (m ? m->skew_ms : 0);
}

static int vfs_time64(sqlite3_vfs *vfs, sqlite3_int64 *to)
{
    (void)vfs;
    *to = clock_of(sim_here) + JULIAN_MS;
    return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *to)
{
    sqlite3_int64 now = 0;
    (void)vfs_time64(vfs, &now);
    *to = (double)now / 86400000.0;
    return SQLITE_OK;
}

static int vfs_error(sqlite3_vfs *vfs, int bytes, char *to)
{
    (void)vfs;
    (void)bytes;
    (void)to;
    return 0;
}

/* ---- the engine's environment ---- */

static int64_t env_now(void *context)
{
    (void)context;
    return clock_of(sim_here);
}

static int env_random(void *context, void *to, size_t bytes)
{
    (void)context;
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)to)[i] = (uint8_t)dice_next(&sim_chance);
    }
    return 0;
}

static int env_identity(void *context, const char *path, uint64_t *device, uint64_t *inode)
{
    (void)context;
    moment();
    sim_machine *m = machine_of(path);
    sim_node *n = disk_find(m, path);
    if (n == NULL || m->dead) {
        return -1;
    }
    *device = (uint64_t)m->index + 1;
    *inode = n->inode;
    return 0;
}

static int env_boot(void *context, char to[40])
{
    (void)context;
    memset(to, 0, 40);
    (void)snprintf(to, 40, "boot-%llu", (unsigned long long)sim_here->boot);
    return 0;
}

static int witness_read(void *context, const char *path, sync_witness *to)
{
    (void)context;
    moment();
    sim_machine *m = machine_of(path);
    if (m->dead) {
        return -1;
    }
    if (!m->note.there || m->note.torn) {
        return 0;
    }
    *to = m->note.w;
    return 1;
}

static int witness_write(void *context, const char *path, const sync_witness *w, bool durable)
{
    (void)context;
    sim_machine *m = machine_of(path);
    if (disk_strike(m) != FAULT_NONE) {
        return -1;
    }
    m->note = (sim_note){.there = true, .w = *w};
    if (durable) {
        m->durable_note = m->note;
    }
    return 0;
}

static int witness_remove(void *context, const char *path)
{
    (void)context;
    sim_machine *m = machine_of(path);
    if (disk_strike(m) != FAULT_NONE) {
        return -1;
    }
    m->note = m->durable_note = (sim_note){0};
    return 0;
}

static int env_sync(void *context, const char *path)
{
    (void)context;
    sim_machine *m = machine_of(path);
    sim_node *n = disk_find(m, path);
    if (disk_strike(m) != FAULT_NONE) {
        return -1;
    }
    if (n) {
        disk_sync(n);
    }
    return 0;
}

int vfs_install(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = sizeof(vfs_file),
        .mxPathname = 100,
        .zName = "sim",
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_error,
        .xCurrentTimeInt64 = vfs_time64,
    };
    static const sync_env env = {
        .now_ms = env_now,
        .random = env_random,
        .identity = env_identity,
        .boot = env_boot,
        .witness_read = witness_read,
        .witness_write = witness_write,
        .witness_remove = witness_remove,
        .sync_file = env_sync,
    };
    sync_env_set(&env);
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK ? 0 : -1;
}
