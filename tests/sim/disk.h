/* The disks of the simulated machines: what programs see, and what would be there after the power went. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "dice.h"
#include "env.h"

#include <stddef.h>

#define SIM_MACHINES 20
#define SIM_NODES    12 /* files on one machine: the database, its log, journals, temporary ones */
#define SIM_SHM      16 /* regions of 32 KiB */
#define SIM_SHM_LOCK 8

/* A change that is not on disk yet. data NULL: truncated to `offset`. */
typedef struct sim_pending {
    uint64_t offset;
    uint32_t bytes;
    uint8_t *data;
} sim_pending;

typedef struct sim_image {
    uint8_t *data;
    size_t size;
    size_t cap;
} sim_image;

typedef struct sim_node {
    bool used;
    char name[48];
    uint64_t inode;
    int opens;
    bool deleted; /* without a name, still open */
    sim_image now;
    sim_image durable;
    sim_pending *pending;
    size_t pending_count;
    size_t pending_cap;
    int shared, reserved, waiting, exclusive; /* holders of SQLite's locks */
    void *shm[SIM_SHM];
    int shm_users;
    int shm_shared[SIM_SHM_LOCK];
    bool shm_exclusive[SIM_SHM_LOCK];
} sim_node;

typedef struct sim_note { /* a witness */
    bool there;
    bool torn;
    sync_witness w;
} sim_note;

/* What strikes at a write, counted down from `at` (0: nothing is coming). */
typedef enum sim_fault { FAULT_NONE, FAULT_CRASH, FAULT_IOERR, FAULT_FULL } sim_fault;

typedef struct sim_machine {
    int index;
    sim_node nodes[SIM_NODES];
    sim_note note;
    sim_note durable_note;
    int64_t skew_ms;
    uint64_t boot;
    bool dead; /* nothing works any more until it is started again */
    sim_fault fault;
    long fault_at;
    long fault_for; /* so many calls fail */
    bool psow;      /* a torn write spoils nothing beside it */
} sim_machine;

sim_machine *disk_machine(int index);
void disk_reset(void); /* all machines as new */
void disk_free(void);

/* By name; "/m3/..." is on machine 3. disk_open makes it. NULL if there is none, or no room. */
sim_node *disk_find(sim_machine *m, const char *name);
sim_node *disk_open(sim_machine *m, const char *name);
void disk_close(sim_node *n);
void disk_delete(sim_machine *m, const char *name);

/* 0, or the fault that strikes now. `torn`: so many bytes of this write still arrive. */
sim_fault disk_strike(sim_machine *m);

void disk_read(const sim_node *n, void *to, size_t bytes, uint64_t offset); /* past the end: zeros */
int disk_write(sim_node *n, const void *from, size_t bytes, uint64_t offset);
int disk_truncate(sim_node *n, uint64_t size);
void disk_sync(sim_node *n);
void disk_settle(sim_machine *m); /* so much time passes that all is on disk */

/* All programs of the machine are gone. power: and what was not on disk is lost, torn or in another order. */
void disk_crash(sim_machine *m, bool power, sim_dice *dice);

/* Copies or replaces the bytes of a file, and of nothing else. keep_inode: written over, not put in its place. */
int disk_copy(sim_machine *to, const char *to_name, const sim_image *image, bool keep_inode);
int image_set(sim_image *to, const sim_image *from);
void image_free(sim_image *image);

#endif
