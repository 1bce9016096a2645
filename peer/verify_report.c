/* What `sync-peer verify` says on stdout: lines for people, or with --json one object per line. */
#include "verify_internal.h"

#include "json.h"
#include "peer_limits.h"

#include <stdio.h>
#include <string.h>

/* Writes a line, which is emptied. Where there was no memory for it, that is said in its place. Control characters come from names only: in JSON
** they are escaped. */
static void put_line(const peer_report *r, sync_buf *line)
{
    static const char lost[] = "(a line was lost: out of memory)";
    if (line->oom) {
        sync_buf_reset(line);
        fputs(r->json ? "{\"event\":\"notice\",\"text\":\"a line was lost: out of memory\"}" : lost, stdout);
    }
    for (size_t i = 0; i < line->len; i++) {
        line->data[i] = line->data[i] < 0x20 || line->data[i] == 0x7f ? '?' : line->data[i];
    }
    (void)fwrite(line->data, 1, line->len, stdout); /* what fails is seen at the end */
    fputc('\n', stdout);
    sync_buf_free(line);
}

static void put_text(sync_buf *line, const char *text)
{
    sync_buf_put(line, text, strlen(text));
}

/* A text that need not be UTF-8, such as the name of a file, as a JSON string. */
static void put_string(sync_buf *line, const char *text)
{
    if (sync_is_text(text, strlen(text))) {
        sync_json_string(line, text, strlen(text));
        return;
    }
    const sync_value value = {.type = SYNC_TEXT, .bytes = strlen(text), .data = text};
    sync_json_value(line, &value);
}

static void put_number(sync_buf *line, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    put_text(line, text);
}

/* A value as JSON; of a large one only how large it is. */
static void put_value(const peer_report *r, sync_buf *line, sqlite3_stmt *stmt, int column)
{
    sync_value value;
    const size_t most = r->json ? PEER_VERIFY_VALUE_BYTES_JSON : PEER_VERIFY_VALUE_BYTES;
    if (!peer_column_value(stmt, column, &value)) {
        line->oom = true;
    } else if ((value.type != SYNC_TEXT && value.type != SYNC_BLOB) || value.bytes <= most) {
        sync_json_value(line, &value);
    } else {
        put_text(line, value.type == SYNC_TEXT ? "{\"$text_bytes\":" : "{\"$blob_bytes\":");
        put_number(line, (int64_t)value.bytes);
        put_text(line, "}");
    }
}

void peer_report_table(const peer_report *r, const char *table, const char *text)
{
    sync_buf line = {0};
    if (r->json) {
        put_text(&line, "{\"event\":\"table\",\"table\":");
        put_string(&line, table);
        put_text(&line, ",\"text\":");
        put_string(&line, text);
        put_text(&line, "}");
    } else {
        put_text(&line, table);
        put_text(&line, ": ");
        put_text(&line, text);
    }
    put_line(r, &line);
}

/* The names of columns in which the clocks differ; that of the row itself has none. */
static void put_clocks(const peer_report *r, sync_buf *line, const peer_difference *d)
{
    const char *between = "";
    for (size_t i = 0; i <= d->pair->columns; i++) {
        if (d->clock_differs[i]) {
            const char *name = i < d->pair->columns ? d->pair->column[PEER_A][i] : NULL;
            put_text(line, between);
            if (r->json && name != NULL) {
                put_string(line, name);
            } else {
                put_text(line, name != NULL ? name : r->json ? "null" : "the row");
            }
            between = r->json ? "," : ", ";
        }
    }
}

static void put_values(const peer_report *r, sync_buf *line, const peer_difference *d)
{
    const char *between = "";
    for (size_t i = 0; d->kind == PEER_VALUES && i < d->pair->columns; i++) {
        const int column = (int)(1 + d->pair->keys + i);
        if (!d->value_differs[i]) {
            continue;
        }
        put_text(line, between);
        if (r->json) {
            put_text(line, "{\"column\":");
            put_string(line, d->pair->column[PEER_A][i]);
            put_text(line, ",\"a\":");
        } else {
            put_text(line, d->pair->column[PEER_A][i]);
            put_text(line, " is ");
        }
        put_value(r, line, d->row[PEER_A], column);
        put_text(line, r->json ? ",\"b\":" : " and ");
        put_value(r, line, d->row[PEER_B], column);
        put_text(line, r->json ? "}" : "");
        between = r->json ? "," : "; ";
    }
}

static void report_json(const peer_report *r, const peer_difference *d, sync_buf *line)
{
    static const char *const where[] = {"a", "b", "both", "neither"};
    static const char *const held[] = {"neither", "a", "b", "both"};
    size_t at = d->row[PEER_A] == NULL ? (d->row[PEER_B] == NULL ? 3 : 1) : (d->row[PEER_B] == NULL ? 0 : 2);
    put_text(line, "{\"event\":\"difference\",\"table\":");
    put_string(line, d->pair->table[PEER_A]);
    put_text(line, ",\"key\":");
    sync_buf_put(line, d->key, d->key_bytes);
    put_text(line, ",\"shown\":\"");
    put_text(line, where[at]);
    put_text(line, "\",\"held\":\"");
    put_text(line, held[(d->held[PEER_A] ? 1 : 0) + (d->held[PEER_B] ? 2 : 0)]);
    put_text(line, "\",\"columns\":[");
    put_values(r, line, d);
    put_text(line, "],\"clocks\":[");
    put_clocks(r, line, d);
    put_text(line, "]}");
}

static void report_text(const peer_report *r, const peer_difference *d, sync_buf *line)
{
    put_text(line, d->pair->table[PEER_A]);
    put_text(line, " ");
    sync_buf_put(line, d->key, d->key_bytes);
    put_text(line, ": ");
    switch (d->kind) {
    case PEER_ONLY_A:
    case PEER_ONLY_B:
        put_text(line, "only in ");
        put_text(line, r->files[d->kind == PEER_ONLY_A ? PEER_A : PEER_B].name);
        break;
    case PEER_VALUES:
        put_values(r, line, d);
        put_text(line, d->clocks_agree ? ", and no clock tells of it" : "");
        break;
    default:
        put_text(line, "the clocks differ (");
        put_clocks(r, line, d);
        put_text(line, d->row[PEER_A] != NULL ? ")" : ") of a row that neither shows");
        break;
    }
    for (int side = 0; side < PEER_BOTH; side++) {
        if (d->held[side]) {
            put_text(line, "; held in ");
            put_text(line, r->files[side].name);
        }
    }
}

void peer_report_difference(const peer_report *r, const peer_difference *d)
{
    sync_buf line = {0};
    if (r->json) {
        report_json(r, d, &line);
    } else {
        report_text(r, d, &line);
    }
    put_line(r, &line);
}

static void put_both(sync_buf *line, const char *member, int64_t a, int64_t b)
{
    put_text(line, member);
    put_text(line, "{\"a\":");
    put_number(line, a);
    put_text(line, ",\"b\":");
    put_number(line, b);
    put_text(line, "}");
}

void peer_report_sum(const peer_report *r, const peer_pair *pair, const int64_t rows[PEER_BOTH],
                     const int64_t counts[PEER_KINDS])
{
    sync_buf line = {0};
    int64_t sum = 0;
    for (int i = 0; i < PEER_KINDS; i++) {
        sum += counts[i];
    }
    if (r->json) {
        put_text(&line, "{\"event\":\"compared\",\"table\":");
        put_string(&line, pair->table[PEER_A]);
        put_both(&line, ",\"rows\":", rows[PEER_A], rows[PEER_B]);
        put_both(&line, ",\"only\":", counts[PEER_ONLY_A], counts[PEER_ONLY_B]);
        put_text(&line, ",\"values\":");
        put_number(&line, counts[PEER_VALUES]);
        put_text(&line, ",\"clocks\":");
        put_number(&line, counts[PEER_CLOCKS]);
        put_text(&line, "}");
        put_line(r, &line);
        return;
    }
    put_text(&line, pair->table[PEER_A]);
    put_text(&line, ": ");
    put_number(&line, rows[PEER_A]);
    put_text(&line, rows[PEER_A] == 1 ? " row in " : " rows in ");
    put_text(&line, r->files[PEER_A].name);
    put_text(&line, ", ");
    put_number(&line, rows[PEER_B]);
    put_text(&line, " in ");
    put_text(&line, r->files[PEER_B].name);
    put_text(&line, sum == 0 ? ": equal" : ":");
    for (int i = 0, first = 1; i < PEER_KINDS; i++) {
        if (counts[i] > 0) {
            put_text(&line, first ? " " : ", ");
            put_number(&line, counts[i]);
            if (i == PEER_ONLY_A || i == PEER_ONLY_B) {
                put_text(&line, " only in ");
                put_text(&line, r->files[i == PEER_ONLY_A ? PEER_A : PEER_B].name);
            } else {
                put_text(&line, i == PEER_VALUES ? " with other values" : " with other clocks");
            }
            first = 0;
        }
    }
    put_line(r, &line);
}

void peer_report_repaired(const peer_report *r, const char *table, const char *key, size_t bytes,
                          bool restored)
{
    sync_buf line = {0};
    if (r->json) {
        put_text(&line, "{\"event\":\"repaired\",\"table\":");
        put_string(&line, table);
        put_text(&line, ",\"key\":");
        sync_buf_put(&line, key, bytes);
        put_text(&line, restored ? ",\"restored\":true}" : ",\"restored\":false}");
    } else {
        put_text(&line, table);
        put_text(&line, " ");
        sync_buf_put(&line, key, bytes);
        put_text(&line, ": touched in ");
        put_text(&line, r->files[PEER_A].name);
        put_text(&line, restored ? ", put back into " : "");
        put_text(&line, restored ? r->files[PEER_B].name : "");
    }
    put_line(r, &line);
}
