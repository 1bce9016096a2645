#include "precautions.h"

#include "log.h"
#include "walreset.h"

#include <sqlite3.h>
#include <sys/stat.h>

void peer_precautions_say(const char *folder)
{
    struct stat st;
    if (stat(folder, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        peer_notice(
            "%s can be written by %s: they may put files into rooms, and take files away (chmod go-w)",
            folder, (st.st_mode & S_IWOTH) != 0 ? "everybody" : "its group");
    }
    if (peer_walreset_is_there()) {
        peer_notice("SQLite %s has the WAL-reset bug: two programs that write to a file and checkpoint it at "
                    "the same "
                    "instant can damage it; this one takes care, others may not; 3.51.3 has it fixed",
                    sqlite3_libversion());
    }
}
