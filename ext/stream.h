/* The C interface of sync_ext.h, inside. */
#ifndef SYNC_STREAM_H
#define SYNC_STREAM_H

#include "engine.h"
#include "sync_ext.h"

#endif
