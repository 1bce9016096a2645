/* Allocation failures on demand, under SQLite's allocator. Install first thing in main(). */
#ifndef LEAF_FAULT_H
#define LEAF_FAULT_H

#include <sqlite3.h>
#include <stdbool.h>

static sqlite3_mem_methods fault_real;
static long fault_left = -1; /* successful allocations to come; negative: no fault is armed */

static bool fault_once; /* only the next one fails */
static bool fault_has_struck;

static inline bool fault_strikes(void)
{
    if (fault_left < 0) {
        return false;
    }
    if (fault_left == 0) {
        fault_has_struck = true;
        fault_left = fault_once ? -1 : 0;
        return true;
    }
    fault_left--;
    return false;
}

static void *fault_malloc(int bytes)
{
    return fault_strikes() ? NULL : fault_real.xMalloc(bytes);
}

static void *fault_realloc(void *block, int bytes)
{
    return fault_strikes() ? NULL : fault_real.xRealloc(block, bytes);
}

/* 0, or not if SQLite was in use already. */
static inline int fault_install(void)
{
    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &fault_real);
    if (rc == SQLITE_OK && fault_real.xMalloc == NULL) {
        /* The methods are known only once SQLite has chosen them. */
        rc = sqlite3_initialize() || sqlite3_shutdown() ||
             sqlite3_config(SQLITE_CONFIG_GETMALLOC, &fault_real);
    }
    sqlite3_mem_methods methods = fault_real;
    methods.xMalloc = fault_malloc;
    methods.xRealloc = fault_realloc;
    return rc != SQLITE_OK ? rc : sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

/* After `good` more allocations all fail, until disarmed. */
static inline void fault_arm(long good)
{
    fault_left = good;
    fault_once = fault_has_struck = false;
}

/* After `good` more allocations one fails. */
static inline void fault_arm_once(long good)
{
    fault_arm(good);
    fault_once = true;
}

/* Whether the fault struck. */
static inline bool fault_disarm(void)
{
    fault_left = -1;
    return fault_has_struck;
}

#endif
