/* The C interface of sync_ext.h, inside. */
#ifndef SYNC_STREAM_H
#define SYNC_STREAM_H

#include "sync_ext.h"

/* Type name of the pointer that the SQL function sync_engine() fills. */
#define SYNC_ENGINE_POINTER "sync_engine"

#endif
