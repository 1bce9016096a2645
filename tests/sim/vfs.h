/* SQLite's view of the simulated disks, and the engine's view of the world (ext/env.h). */
#ifndef SIM_VFS_H
#define SIM_VFS_H

#include "disk.h"

/* Registers the VFS as the default one and sets the environment. Once per process. 0, or -1. */
int vfs_install(void);

/* Virtual time in milliseconds since 1970; a machine's own clock adds its skew. */
extern int64_t sim_now_ms;
/* Where the code that runs now runs: its clock, its temporary files. */
extern sim_machine *sim_here;
/* What SQLite and the engine draw from. */
extern sim_dice sim_chance;
/* Called at the nth moment (counted down) at which the engine looks at the world or takes a lock: somebody else acts in the middle. */
extern int sim_intrude_at;
extern void (*sim_intrude)(void);

#endif
