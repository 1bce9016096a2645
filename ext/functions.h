/* The SQL functions. */
#ifndef SYNC_FUNCTIONS_H
#define SYNC_FUNCTIONS_H

#include "engine.h"

/* Registers all functions on s->db, each with `s` as its context; s must outlive them. SQLITE_OK or an error. */
int sync_functions_register(sync_db *s);

#endif
