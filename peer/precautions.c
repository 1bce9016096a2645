#include "precautions.h"

#include "log.h"
#include "walreset.h"

#include <sqlite3.h>

void peer_precautions_say(void)
{
    if (peer_walreset_is_there()) {
        peer_notice("SQLite %s has the WAL-reset bug: two programs that write to a file and checkpoint it at "
                    "the same "
                    "instant can damage it; this one takes care, others may not; 3.51.3 has it fixed",
                    sqlite3_libversion());
    }
}
