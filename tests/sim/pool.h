/* Memory for SQLite and the engine from a pool: a third of a run would be malloc. */
#ifndef SIM_POOL_H
#define SIM_POOL_H

/* Before sqlite3_initialize(). Does nothing in a sanitized build, which is to see every allocation. */
void pool_install(void);

#endif
