/* How many rows one merge may take, by what the merges before it took. Worker's thread only. */
#ifndef PEER_PACE_H
#define PEER_PACE_H

#include <stdint.h>

typedef struct peer_pace {
    double row_us; /* what a row took lately; 0: not known */
} peer_pace;

/* A merge of `rows` rows held the write lock for `took_us`. Of few rows most of that is the transaction's own, so they teach nothing. */
void peer_pace_learn(peer_pace *p, int rows, int64_t took_us);

/* Rows that are likely to be merged within PEER_MERGE_US: PEER_MERGE_ROWS_MIN to PEER_MERGE_ROWS; a part as long as that is not known. */
int peer_pace_rows(const peer_pace *p);

#endif
