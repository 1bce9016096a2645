#include "walreset.h"

#include <sqlite3.h>

/* Fixed in 3.51.3, and on two older branches. */
bool peer_walreset_is_there(void)
{
    const int version = sqlite3_libversion_number();
    const bool old_branch =
        (version >= 3044006 && version < 3045000) || (version >= 3050007 && version < 3051000);
    return version >= 3007000 && version < 3051003 && !old_branch;
}
