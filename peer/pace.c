#include "pace.h"

#include "peer_limits.h"

void peer_pace_learn(peer_pace *p, int rows, int64_t took_us)
{
    if (rows < PEER_MERGE_ROWS_MIN || took_us <= 0) {
        return;
    }
    double now = (double)took_us / rows;
    p->row_us = p->row_us > 0 ? p->row_us + (now - p->row_us) / PEER_MERGE_MEMORY : now;
}

int peer_pace_rows(const peer_pace *p)
{
    double rows = p->row_us > 0 ? PEER_MERGE_US / p->row_us : PEER_PART_ROWS;
    return rows < PEER_MERGE_ROWS_MIN ? PEER_MERGE_ROWS_MIN
           : rows < PEER_MERGE_ROWS   ? (int)rows
                                      : PEER_MERGE_ROWS;
}
