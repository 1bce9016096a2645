/* The first reading of a table: sums of its rows and clocks, block by block. */
#include "verify_internal.h"

#include "json.h"
#include "peer_limits.h"

#include <openssl/evp.h>
#include <string.h>

enum {
    HASHED_BYTES = 16,  /* of SHA-256 that are added up */
    LARGE_BYTES = 4096, /* of a value that is hashed where it lies, not copied */
    OF_ROW = 0,         /* first byte of what is hashed */
    OF_CLOCK = 1
};

typedef struct adder {
    const peer_file *file;
    const peer_pair *pair;
    int side;
    peer_sums *sums;
    EVP_MD *kind;
    EVP_MD_CTX *hash;
    bool good; /* every call of the hash was */
    sync_buf key;
    sync_buf data;
} adder;

size_t peer_block_of(const void *key, size_t bytes)
{
    uint32_t hash = sync_hash(key, bytes);
    return (hash ^ hash >> 16) % PEER_VERIFY_BLOCKS;
}

void peer_put_columns(sqlite3_str *sql, char *const *names, size_t count, const char *format,
                      const char *between)
{
    for (size_t i = 0; i < count; i++) {
        sqlite3_str_appendall(sql, i > 0 ? between : "");
        sqlite3_str_appendf(sql, format, names[i]);
    }
}

bool peer_row_key(sqlite3_stmt *stmt, size_t count, sync_buf *json)
{
    sync_value part;
    sync_buf_reset(json);
    for (size_t i = 0; i < count; i++) { /* as sync_json_key() writes them, without an array of them */
        if (!peer_column_value(stmt, (int)i, &part)) {
            return false;
        }
        sync_buf_put_u8(json, i > 0 ? ',' : '[');
        sync_json_value(json, &part);
    }
    sync_buf_put_u8(json, ']');
    return !json->oom;
}

static void begin(adder *a, uint8_t of)
{
    a->good = a->good && EVP_DigestInit_ex2(a->hash, a->kind, NULL) == 1;
    sync_buf_reset(&a->data);
    sync_buf_put_u8(&a->data, of);
    sync_buf_put_blob(&a->data, a->key.data, a->key.len);
}

static void put(adder *a, const sync_value *value)
{
    if ((value->type != SYNC_TEXT && value->type != SYNC_BLOB) || value->bytes < LARGE_BYTES) {
        sync_value_put(&a->data, value);
        return;
    }
    sync_value_put_head(&a->data, value);
    a->good = a->good && EVP_DigestUpdate(a->hash, a->data.data, a->data.len) == 1 &&
              EVP_DigestUpdate(a->hash, value->data, value->bytes) == 1;
    a->data.len = 0; /* oom stays noted */
}

static bool add(adder *a, peer_failure *f)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    uint64_t parts[2];
    a->good = a->good && !a->data.oom && EVP_DigestUpdate(a->hash, a->data.data, a->data.len) == 1 &&
              EVP_DigestFinal_ex(a->hash, digest, NULL) == 1;
    if (!a->good) {
        return peer_fail(f, PEER_EXIT_ERROR, "out of memory");
    }
    memcpy(parts, digest, HASHED_BYTES);
    uint64_t *block = a->sums->block[peer_block_of(a->key.data, a->key.len)];
    block[0] += parts[0];
    block[1] += parts[1];
    return true;
}

/* Every row that has a key: one with a NULL in it stays in its file. */
static sqlite3_stmt *prepare_rows(const adder *a, peer_failure *f)
{
    const peer_pair *p = a->pair;
    sqlite3_str *sql = sqlite3_str_new(a->file->db);
    sqlite3_str_appendall(sql, "SELECT ");
    peer_put_columns(sql, p->key[a->side], p->keys, "\"%w\"", ", ");
    sqlite3_str_appendall(sql, p->columns > 0 ? ", " : "");
    peer_put_columns(sql, p->column[a->side], p->columns, "\"%w\"", ", ");
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", p->table[a->side]);
    peer_put_columns(sql, p->key[a->side], p->keys, "\"%w\" IS NOT NULL", " AND ");
    char *text = sqlite3_str_finish(sql);
    sqlite3_stmt *stmt = text != NULL ? peer_file_prepare(a->file, f, "%s", text) : NULL;
    sqlite3_free(text);
    return stmt;
}

static bool add_rows(adder *a, peer_failure *f)
{
    sqlite3_stmt *stmt = prepare_rows(a, f);
    bool good = stmt != NULL || peer_fail(f, PEER_EXIT_ERROR, "out of memory");
    int rc = SQLITE_DONE;
    while (good && (rc = peer_file_step(a->file, stmt, f)) == SQLITE_ROW) {
        sync_value value;
        good = peer_row_key(stmt, a->pair->keys, &a->key);
        begin(a, OF_ROW);
        for (size_t i = 0; good && i < a->pair->columns; i++) {
            good = peer_column_value(stmt, (int)(a->pair->keys + i), &value);
            put(a, &value);
        }
        good = (good || peer_fail(f, PEER_EXIT_ERROR, "out of memory")) && add(a, f);
        a->sums->rows++;
    }
    sqlite3_finalize(stmt);
    return good && rc == SQLITE_DONE;
}

/* One cell of sync_changes: its column by its place among those compared; what is in one file only is left out. */
static bool add_cell(adder *a, sqlite3_stmt *stmt, size_t *hint, peer_failure *f)
{
    sync_value value;
    const char *column = (const char *)sqlite3_column_text(stmt, 1);
    size_t at = peer_column_place(a->pair, a->side, column, *hint);
    if (column == NULL) { /* the first cell of a row */
        if (!peer_column_value(stmt, 0, &value)) {
            return peer_fail(f, PEER_EXIT_ERROR, "out of memory");
        }
        sync_buf_reset(&a->key);
        sync_buf_put(&a->key, value.data, value.bytes);
    }
    if (at > a->pair->columns) {
        return true;
    }
    *hint = at + 1;
    begin(a, OF_CLOCK);
    sync_buf_put_varint(&a->data, at);
    for (int i = 2; i < 5; i++) {
        if (!peer_column_value(stmt, i, &value)) {
            return peer_fail(f, PEER_EXIT_ERROR, "out of memory");
        }
        put(a, &value);
    }
    return add(a, f);
}

/* What is deleted is not looked at: files forget deletes when they please. */
static bool add_clocks(adder *a, peer_failure *f)
{
    size_t hint = 0;
    sqlite3_stmt *stmt = peer_file_prepare(
        a->file, f,
        "SELECT CASE WHEN col IS NULL THEN key END, col, stamp, site, cl FROM sync_changes WHERE tbl = %Q"
        " AND op <> 'delete'",
        a->pair->table[a->side]);
    bool good = stmt != NULL;
    int rc = SQLITE_DONE;
    while (good && (rc = peer_file_step(a->file, stmt, f)) == SQLITE_ROW) {
        good = add_cell(a, stmt, &hint, f);
    }
    sqlite3_finalize(stmt);
    return good && rc == SQLITE_DONE;
}

size_t peer_column_place(const peer_pair *pair, int side, const char *name, size_t hint)
{
    if (name == NULL) {
        return pair->columns;
    }
    for (size_t i = 0; i < pair->columns; i++) {
        size_t at = (hint + i) % pair->columns;
        if (sqlite3_stricmp(pair->column[side][at], name) == 0) {
            return at;
        }
    }
    return pair->columns + 1;
}

bool peer_sums_read(const peer_file *file, const peer_pair *pair, int side, peer_sums *sums, peer_failure *f)
{
    *sums = (peer_sums){.block = sync_alloc(PEER_VERIFY_BLOCKS * sizeof *sums->block)};
    adder a = {.file = file,
               .pair = pair,
               .side = side,
               .sums = sums,
               .kind = EVP_MD_fetch(NULL, "SHA256", NULL),
               .hash = EVP_MD_CTX_new(),
               .good = true};
    bool good = sums->block != NULL && a.kind != NULL && a.hash != NULL;
    if (good) {
        memset(sums->block, 0, PEER_VERIFY_BLOCKS * sizeof *sums->block);
        good = add_rows(&a, f) && add_clocks(&a, f);
    } else {
        peer_fail(f, PEER_EXIT_ERROR, "out of memory");
    }
    if (!good) {
        sync_free(sums->block);
        sums->block = NULL;
    }
    sync_buf_free(&a.key);
    sync_buf_free(&a.data);
    EVP_MD_CTX_free(a.hash);
    EVP_MD_free(a.kind);
    return good;
}
