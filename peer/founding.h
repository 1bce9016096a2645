/* The file of a room that is joined for the first time: made beside its place, with the tables that a script says, and put there when it is whole. Worker's
** thread only. */
#ifndef PEER_FOUNDING_H
#define PEER_FOUNDING_H

#include "database.h"

/* Makes o->file by o->schema (NULL: empty), if it may be made and is not there. On failure, and when *stopping is set meanwhile,
** nothing is left. */
bool peer_founding_make(const peer_options *o, atomic_bool *stopping, peer_failure *f);

#endif
