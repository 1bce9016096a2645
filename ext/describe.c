#include "describe.h"

#include "codec.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

static void put(sync_buf *buf, const char *text)
{
    sync_buf_put(buf, text, strlen(text));
}

static void put_number(sync_buf *buf, const char *name, uint64_t v)
{
    char text[96];
    snprintf(text, sizeof text, "\"%s\":%llu", name, (unsigned long long)v);
    put(buf, text);
}

static void put_stamp(sync_buf *buf, const sync_head *head, sync_stamp stamp)
{
    put(buf, "{\"at\":\"");
    sync_stamp_text(buf, stamp);
    put(buf, "\",\"site\":\"");
    sync_hex(buf, head->sites[stamp.site], SYNC_SITE_BYTES);
    put(buf, "\"}");
}

/* A vector as an object: site -> hlc, zeros left out. */
static void put_vector(sync_buf *buf, const sync_head *head, const sync_matrix *m, uint32_t table)
{
    bool first = true;
    put(buf, "{");
    for (uint32_t i = 0; i < m->sites; i++) {
        uint64_t v = sync_matrix_at(m, table, i);
        if (v) {
            char text[32];
            put(buf, first ? "\"" : ",\"");
            sync_hex(buf, head->sites[i], SYNC_SITE_BYTES);
            snprintf(text, sizeof text, "\":%llu", (unsigned long long)v);
            put(buf, text);
            first = false;
        }
    }
    put(buf, "}");
}

static void put_name(sync_buf *buf, const char *name)
{
    size_t bytes = strlen(name);
    if (sync_is_text(name, bytes)) {
        sync_json_string(buf, name, bytes);
    } else {
        put(buf, "\"?\"");
    }
}

static void put_tables(sync_buf *buf, const sync_head *head)
{
    put(buf, ",\"tables\":[");
    for (uint32_t t = 0; t < head->table_count; t++) {
        const sync_table_head *table = &head->tables[t];
        put(buf, t ? ",{\"name\":" : "{\"name\":");
        put_name(buf, table->name);
        put(buf, table->identity == SYNC_BY_ROW ? ",\"identity\":\"row\",\"key\":["
                                                : ",\"identity\":\"key\",\"key\":[");
        for (uint32_t i = 0; i < table->key_count; i++) {
            put(buf, i ? "," : "");
            put_name(buf, table->key_names[i]);
        }
        put(buf, "],");
        put_number(buf, "start", sync_matrix_at(&head->start, t, 0));
        put(buf, ",\"presumes\":");
        put_vector(buf, head, &head->base, t);
        if (table->lives) {
            put(buf, ",");
            put_number(buf, "lives", table->lives);
        }
        if (table->whole) {
            put(buf, ",\"whole\":true");
        }
        if (table->whole && head->purpose == SYNC_FOR_ALL) {
            put(buf, ",\"forgotten\":");
            put_vector(buf, head, &head->floor, t);
        }
        put(buf, "}");
    }
    put(buf, "]");
}

static void put_row(sync_buf *buf, const sync_head *head, uint32_t table, const sync_value *key,
                    const sync_row *row)
{
    const sync_table_head *t = &head->tables[table];
    put(buf, "{\"table\":");
    put_name(buf, t->name);
    put(buf, ",\"key\":");
    sync_json_key(buf, key, t->key_count);
    put(buf, sync_row_alive(row) ? ",\"alive\":true," : ",\"alive\":false,");
    put_number(buf, "cl", row->cl);
    if (!sync_stamp_is_none(row->origin)) {
        put(buf, ",\"origin\":");
        put_stamp(buf, head, row->origin);
    }
    if (!sync_stamp_is_none(row->born)) {
        put(buf, ",\"born\":");
        put_stamp(buf, head, row->born);
    }
    if (!sync_stamp_is_none(row->stamp)) {
        put(buf, ",\"stamp\":");
        put_stamp(buf, head, row->stamp);
    }
    if (row->moved) {
        sync_value number = {.type = SYNC_INTEGER, .i = row->number};
        put(buf, ",\"number\":");
        sync_json_value(buf, &number);
    }
    put(buf, ",\"cells\":{");
    for (uint32_t i = 0; i < row->count; i++) {
        put(buf, i ? "," : "");
        put_name(buf, t->col_names[row->cells[i].col]);
        put(buf, ":{\"value\":");
        sync_json_value(buf, &row->cells[i].value);
        put(buf, ",\"stamp\":");
        put_stamp(buf, head, row->cells[i].stamp);
        put(buf, "}");
    }
    put(buf, "}}");
}

int sync_describe(const void *changeset, size_t bytes, sync_buf *buf, sync_error *error)
{
    sync_decoder *d;
    uint32_t table;
    const sync_value *key;
    const sync_row *row;
    int rc = sync_decoder_open(changeset, bytes, SYNC_VALUE_BYTES_MAX, &d, error);
    if (rc != SYNC_OK) {
        return rc;
    }
    const sync_head *head = sync_decoder_head(d);
    put(buf, "{");
    put_number(buf, "format", sync_head_format(head));
    put(buf, head->purpose == SYNC_FOR_LEAF     ? ",\"for\":\"leaf\""
             : head->purpose == SYNC_FOR_AUTHOR ? ",\"for\":\"author\""
                                                : "");
    put(buf, ",\"site\":\"");
    sync_hex(buf, head->site, SYNC_SITE_BYTES);
    put(buf, "\",");
    put_number(buf, "part", head->part);
    put_tables(buf, head);
    put(buf, ",\"rows\":[");
    for (bool first = true; (rc = sync_decoder_next(d, &table, &key, &row, error)) == SYNC_ROW;
         first = false) {
        put(buf, first ? "" : ",");
        put_row(buf, head, table, key, row);
        if (buf->oom || buf->len > SYNC_DESCRIBE_BYTES_MAX) {
            break;
        }
    }
    const sync_closing *closing = rc == SYNC_DONE ? sync_decoder_closing(d) : NULL;
    put(buf, closing ? "],\"closing\":{" : "],\"closing\":null}");
    if (closing) {
        put_number(buf, "version", closing->end);
        put(buf, ",\"holds\":{");
        for (uint32_t t = 0; t < head->table_count; t++) {
            put(buf, t ? "," : "");
            put_name(buf, head->tables[t].name);
            put(buf, ":");
            put_vector(buf, head, &closing->seen, t);
        }
        put(buf, "}}}");
    }
    sync_decoder_close(d);
    if (buf->oom) {
        return sync_fail(error, SYNC_NOMEM, "out of memory");
    }
    if (buf->len > SYNC_DESCRIBE_BYTES_MAX) {
        return sync_fail(error, SYNC_TOOBIG, "sync_describe: this changeset is longer than %u MiB as text",
                         SYNC_DESCRIBE_BYTES_MAX >> 20);
    }
    return rc == SYNC_DONE ? SYNC_OK : rc;
}
