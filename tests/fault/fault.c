#include "fault.h"

#include "env.h"
#include "places.h"

#include <errno.h>
#include <string.h>

const char *const fault_names[FAULT_KINDS] = {"memory", "io", "short", "full", "busy", "outside", "bind"};

#define NOW_MS    INT64_C(1800000000000)
#define JULIAN_MS INT64_C(210866760000000) /* of 1970 */

/* ---- the fault that is armed ---- */

static fault_kind armed;
static long left = -1; /* good calls to come; negative: nothing is armed */
static bool only_once;
static bool has_struck;
static uint64_t dice;
static uint64_t inode_now = 1;

void fault_arm(fault_kind kind, long n, bool once)
{
    armed = kind;
    left = n - 1;
    only_once = once;
    has_struck = false;
}

bool fault_disarm(void)
{
    left = -1;
    return has_struck;
}

void fault_rewind(void)
{
    dice = UINT64_C(0x9e3779b97f4a7c15);
}

void fault_set_inode(uint64_t inode)
{
    inode_now = inode;
}

static bool strikes(fault_kind kind)
{
    if (left < 0 || kind != armed) {
        return false;
    }
    places_note();
    if (left > 0) {
        left--;
        return false;
    }
    has_struck = true;
    left = only_once ? -1 : 0;
    return true;
}

/* ---- memory ---- */

static sqlite3_mem_methods real_memory;

static void *memory_take(int bytes)
{
    return strikes(FAULT_MEMORY) ? NULL : real_memory.xMalloc(bytes);
}

static void *memory_change(void *block, int bytes)
{
    return strikes(FAULT_MEMORY) ? NULL : real_memory.xRealloc(block, bytes);
}

/* ---- bound values: the linker puts these before SQLite's own ---- */

/* There is no parameter of that number: SQLite refuses, and says so in its own words. */
#define NOWHERE 0

#define BOUND(name, parameters, values)                                                                      \
    int __real_sqlite3_##name parameters;                                                                    \
    int __wrap_sqlite3_##name parameters;                                                                    \
    int __wrap_sqlite3_##name parameters                                                                     \
    {                                                                                                        \
        index = strikes(FAULT_BIND) ? NOWHERE : index;                                                       \
        return __real_sqlite3_##name values;                                                                 \
    }

BOUND(bind_null, (sqlite3_stmt * stmt, int index), (stmt, index))
BOUND(bind_int, (sqlite3_stmt * stmt, int index, int v), (stmt, index, v))
BOUND(bind_int64, (sqlite3_stmt * stmt, int index, sqlite3_int64 v), (stmt, index, v))
BOUND(bind_double, (sqlite3_stmt * stmt, int index, double v), (stmt, index, v))
BOUND(bind_value, (sqlite3_stmt * stmt, int index, const sqlite3_value *v), (stmt, index, v))
BOUND(bind_zeroblob, (sqlite3_stmt * stmt, int index, int bytes), (stmt, index, bytes))
BOUND(bind_blob, (sqlite3_stmt * stmt, int index, const void *data, int bytes, void (*done)(void *)),
      (stmt, index, data, bytes, done))
BOUND(bind_text, (sqlite3_stmt * stmt, int index, const char *data, int bytes, void (*done)(void *)),
      (stmt, index, data, bytes, done))
BOUND(bind_blob64,
      (sqlite3_stmt * stmt, int index, const void *data, sqlite3_uint64 bytes, void (*done)(void *)),
      (stmt, index, data, bytes, done))
BOUND(bind_text64,
      (sqlite3_stmt * stmt, int index, const char *data, sqlite3_uint64 bytes, void (*done)(void *),
       unsigned char encoding),
      (stmt, index, data, bytes, done, encoding))

/* ---- files ---- */

static sqlite3_vfs *real_vfs;

typedef struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* right behind this */
} fault_file;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((fault_file *)file)->real;
}

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 offset)
{
    return strikes(FAULT_IO) ? SQLITE_IOERR_READ
                             : real_of(file)->pMethods->xRead(real_of(file), to, bytes, offset);
}

static int file_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset)
{
    const sqlite3_io_methods *real = real_of(file)->pMethods;
    if (strikes(FAULT_IO)) {
        return SQLITE_IOERR_WRITE;
    }
    if (strikes(FAULT_FULL)) {
        return SQLITE_FULL;
    }
    if (strikes(FAULT_SHORT)) {
        (void)real->xWrite(real_of(file), from, bytes / 2, offset);
        return SQLITE_IOERR_WRITE;
    }
    return real->xWrite(real_of(file), from, bytes, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return strikes(FAULT_IO) ? SQLITE_IOERR_TRUNCATE
                             : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

/* What is written stays without it: nothing here loses power. */
static int file_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return strikes(FAULT_IO) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return strikes(FAULT_IO) ? SQLITE_IOERR_FSTAT : real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    if (strikes(FAULT_IO)) {
        return SQLITE_IOERR_LOCK;
    }
    return strikes(FAULT_BUSY) ? SQLITE_BUSY : real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check(sqlite3_file *file, int *reserved)
{
    return strikes(FAULT_IO) ? SQLITE_IOERR_CHECKRESERVEDLOCK
                             : real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int file_control(sqlite3_file *file, int op, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int file_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shm_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **to)
{
    *to = NULL;
    return strikes(FAULT_IO) ? SQLITE_IOERR_SHMMAP
                             : real_of(file)->pMethods->xShmMap(real_of(file), region, bytes, extend, to);
}

static int shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    bool takes = (flags & SQLITE_SHM_LOCK) != 0;
    if (takes && strikes(FAULT_IO)) {
        return SQLITE_IOERR_SHMLOCK;
    }
    if (takes && strikes(FAULT_BUSY)) {
        return SQLITE_BUSY;
    }
    return real_of(file)->pMethods->xShmLock(real_of(file), first, count, flags);
}

static void shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shm_unmap(sqlite3_file *file, int delete_it)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete_it);
}

static const sqlite3_io_methods file_methods = {
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
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out)
{
    fault_file *f = (fault_file *)file;
    (void)vfs;
    f->base.pMethods = NULL;
    f->real = (sqlite3_file *)(f + 1);
    if (strikes(FAULT_IO)) {
        return SQLITE_CANTOPEN;
    }
    int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out);
    if (f->real->pMethods) {
        f->base.pMethods = &file_methods;
    }
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return strikes(FAULT_IO) ? SQLITE_IOERR_DELETE : real_vfs->xDelete(real_vfs, name, sync);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    (void)vfs;
    return strikes(FAULT_IO) ? SQLITE_IOERR_ACCESS : real_vfs->xAccess(real_vfs, name, flags, result);
}

static int vfs_randomness(sqlite3_vfs *vfs, int bytes, char *to)
{
    (void)vfs;
    memset(to, 1, (size_t)bytes);
    return bytes;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us; /* nobody is waited for who could do something meanwhile */
}

static int vfs_time64(sqlite3_vfs *vfs, sqlite3_int64 *to)
{
    (void)vfs;
    *to = NOW_MS + JULIAN_MS;
    return SQLITE_OK;
}

/* ---- the engine's environment ---- */

static const sync_env *real_env;

static int64_t outside_now(void *context)
{
    (void)context;
    return NOW_MS;
}

static int outside_random(void *context, void *to, size_t bytes)
{
    (void)context;
    for (size_t i = 0; i < bytes; i++) {
        dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)to)[i] = (uint8_t)(dice >> 56);
    }
    return strikes(FAULT_OUTSIDE) ? -1 : 0;
}

static int outside_identity(void *context, const char *path, uint64_t *device, uint64_t *inode)
{
    (void)context;
    (void)path;
    *device = 1;
    *inode = inode_now;
    return strikes(FAULT_OUTSIDE) ? -1 : 0;
}

static int outside_boot(void *context, char to[40])
{
    (void)context;
    memset(to, 0, 40);
    memcpy(to, "boot", 5);
    return 0;
}

static int fails(void)
{
    errno = EIO;
    return -1;
}

static int outside_witness_read(void *context, const char *path, sync_witness *to)
{
    return strikes(FAULT_OUTSIDE) ? fails() : real_env->witness_read(context, path, to);
}

static int outside_witness_write(void *context, const char *path, const sync_witness *w, bool durable)
{
    (void)durable;
    return strikes(FAULT_OUTSIDE) ? fails() : real_env->witness_write(context, path, w, false);
}

static int outside_witness_remove(void *context, const char *path)
{
    return strikes(FAULT_OUTSIDE) ? fails() : real_env->witness_remove(context, path);
}

static int outside_sync_file(void *context, const char *path)
{
    (void)context;
    (void)path;
    return strikes(FAULT_OUTSIDE) ? fails() : 0;
}

static const sync_env outside = {
    .now_ms = outside_now,
    .random = outside_random,
    .identity = outside_identity,
    .boot = outside_boot,
    .witness_read = outside_witness_read,
    .witness_write = outside_witness_write,
    .witness_remove = outside_witness_remove,
    .sync_file = outside_sync_file,
};

bool fault_install(void)
{
    static sqlite3_mem_methods memory;
    static sqlite3_vfs vfs;
    /* The methods are known only once SQLite has chosen them. Without lookaside memory every allocation is one that can fail. */
    int rc = sqlite3_initialize() || sqlite3_shutdown() ||
             sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) ||
             sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    memory = real_memory;
    memory.xMalloc = memory_take;
    memory.xRealloc = memory_change;
    if (rc || sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) || sqlite3_initialize()) {
        return false;
    }
    real_vfs = sqlite3_vfs_find(NULL);
    real_env = sync_env_get();
    sync_env_set(&outside);
    vfs = *real_vfs;
    vfs.iVersion = 2;
    vfs.zName = "faulty";
    vfs.szOsFile = (int)sizeof(fault_file) + real_vfs->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    vfs.xRandomness = vfs_randomness;
    vfs.xSleep = vfs_sleep;
    vfs.xCurrentTimeInt64 = vfs_time64;
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK;
}
