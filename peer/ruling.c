#include "ruling.h"

#include "message.h"

#include <stdlib.h>

peer_ruling *peer_ruling_new(const peer_row_rules *rules, const char *user)
{
    peer_ruling *ruling = peer_new(sizeof *ruling);
    ruling->list = peer_new((rules->count + 1) * sizeof *ruling->list);
    for (size_t i = 0; i < rules->count; i++) {
        const peer_row_rule *one = &rules->list[i];
        ruling->list[i] = (sync_rule){.table = one->table, .read = one->read, .write = one->write};
    }
    ruling->user = peer_strdup(user);
    ruling->rules = (sync_rules){.list = ruling->list, .count = rules->count, .user = ruling->user};
    ruling->selection = sync_selection_new();
    ruling->report_due = true;
    if (ruling->selection == NULL) {
        peer_out_of_memory();
    }
    return ruling;
}

void peer_ruling_free(peer_ruling *ruling)
{
    if (ruling != NULL) {
        sync_selection_free(ruling->selection);
        free(ruling->list);
        free(ruling->user);
        free(ruling);
    }
}
