/* Writes the inputs that fuzzing begins with: real messages, changesets, clocks and schemas of small files.
**
** usage: fuzz_seeds DIRECTORY    (makes DIRECTORY/TARGET/NUMBER) */
#include "seeds.h"
#include "file.h"
#include "fuzz.h"
#include "pack.h"

#include "clock.h"
#include "clone.h"
#include "frame.h"
#include "members.h"
#include "sync_ext.h"
#include "value.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>

static const char *directory;

static void make_directory(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "%s cannot be made\n", path);
        exit(1);
    }
}

void fuzz_put(const char *target, int first, const void *data, size_t bytes)
{
    static int number;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, target);
    make_directory(path);
    snprintf(path, sizeof path, "%s/%s/%03d", directory, target, number++);
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL);
    if (first >= 0) {
        fputc(first, file);
    }
    FUZZ_CHECK(fwrite(data, 1, bytes, file) == bytes);
    FUZZ_CHECK(fclose(file) == 0);
}

/* contents: as fuzz_unpack has it, behind a byte 00 if it is of the second format, two if of the third. */
static void put_contents(const sync_buf *contents)
{
    size_t later = contents->data[0] == 0 ? 1 + (contents->data[1] == 0) : 0;
    fuzz_put("codec", -1, contents->data, contents->len);
    fuzz_put("head", later > 0 ? 1 + (int)later : 0, contents->data + later, contents->len - later);
    fuzz_put("apply", -1, contents->data, contents->len);
}

/* Adds it to `all`, too. */
static void put_changeset(const void *blob, size_t bytes, sync_buf *all)
{
    sync_buf contents = {0};
    FUZZ_CHECK(fuzz_unpack(blob, bytes, &contents));
    put_contents(&contents);
    if (all->len > 0) {
        sync_buf_put(all, FUZZ_SPLIT, sizeof FUZZ_SPLIT - 1);
    }
    sync_buf_put(all, contents.data, contents.len);
    FUZZ_CHECK(!all->oom);
    sync_buf_free(&contents);
}

/* What the file gives out: all of it; what the other lacks; that in parts, each by itself and one after the other. */
static void put_changesets(sqlite3 *db, const sync_buf *seen)
{
    sync_stream *stream = NULL;
    const void *part = NULL;
    size_t bytes = 0;
    int last = 0;
    char *error = NULL;
    sync_buf whole = {0}, all = {0};
    fuzz_blob(db, "SELECT sync_changeset()", NULL, &whole);
    put_changeset(whole.data, whole.len, &all);
    fuzz_put("codec", -1, whole.data, whole.len);
    fuzz_blob(db, "SELECT sync_changeset(?1)", seen, &whole);
    put_changeset(whole.data, whole.len, &all);
    fuzz_put("apply", -1, all.data, all.len);
    sync_buf_reset(&all);
    FUZZ_CHECK(sync_stream_open(db, seen->data, seen->len, 200, 4, &stream, &error) == SQLITE_OK);
    while (last == 0 && sync_stream_next(stream, &part, &bytes, &last, &error) == SQLITE_ROW) {
        put_changeset(part, bytes, &all);
    }
    fuzz_put("apply", -1, all.data, all.len);
    sync_stream_close(stream);
    sync_buf_free(&whole);
    sync_buf_free(&all);
}

/* The first column of each row. */
static void put_each(sqlite3 *db, const char *target, int first, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    FUZZ_CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(stmt, 0);
        fuzz_put(target, first, bytes, (size_t)sqlite3_column_bytes(stmt, 0));
    }
    sqlite3_finalize(stmt);
}

/* An input of fuzz_tamper that sets a column of ours, in the row `which`, to each value that sql gives, a blob, and calls a function. */
static void put_tampering(sqlite3 *db, const char *table, const char *name, const char *sql, int call)
{
    const fuzz_column *columns;
    size_t count = fuzz_columns(&columns), where = 0;
    sqlite3_stmt *stmt = NULL;
    sync_buf input = {0};
    while (where < count &&
           (strcmp(columns[where].table, table) != 0 || strcmp(columns[where].name, name) != 0)) {
        where++;
    }
    FUZZ_CHECK(where < count && sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    for (uint8_t which = 0; sqlite3_step(stmt) == SQLITE_ROW; which = (uint8_t)((which + 1) % 3)) {
        sync_value value = {.type = SYNC_INTEGER, .i = sqlite3_column_int64(stmt, 0)};
        if (sqlite3_column_type(stmt, 0) == SQLITE_BLOB) {
            value.type = SYNC_BLOB;
            value.data = sqlite3_column_blob(stmt, 0);
            value.bytes = (size_t)sqlite3_column_bytes(stmt, 0);
        }
        sync_buf_reset(&input);
        sync_buf_put_u8(&input, 0);
        sync_buf_put_u8(&input, (uint8_t)where);
        sync_buf_put_u8(&input, which);
        sync_value_put(&input, &value);
        const uint8_t calling[] = {7, (uint8_t)call, 0};
        sync_buf_put(&input, calling, sizeof calling);
        FUZZ_CHECK(!input.oom);
        fuzz_put("tamper", which & 1, input.data, input.len);
    }
    sqlite3_finalize(stmt);
    sync_buf_free(&input);
}

static void put_clocks(sqlite3 *db)
{
    static const char tables[] =
        "SELECT 'SELECT DISTINCT clock FROM ' || group_concat(m.name, ' UNION SELECT clock FROM ') FROM"
        " sqlite_schema AS m JOIN sync_table ON m.name IN ('sync_row_' || tid, 'sync_hidden_' || tid)"
        " WHERE type = 'table' AND identity = ";
    for (int f = 0; f < 2; f++) {
        sync_buf sql = {0};
        char *which = sqlite3_mprintf("%s%Q", tables, f == SYNC_BY_ROW ? "row" : "key");
        FUZZ_CHECK(which != NULL);
        fuzz_blob(db, which, NULL, &sql);
        sync_buf_put_u8(&sql, 0);
        put_each(db, "clock", f, (const char *)sql.data);
        sync_buf_free(&sql);
        sqlite3_free(which);
    }
}

/* Rows and hidden rows of each table get a clock of another one; vectors that of another column; numbers others. */
static void put_tamperings(sqlite3 *db)
{
    static const char vectors[] =
        "SELECT seen FROM sync_meta UNION ALL SELECT cursors FROM sync_meta UNION ALL"
        " SELECT floor FROM sync_meta UNION ALL SELECT met FROM sync_meta UNION ALL"
        " SELECT seen FROM sync_peer";
    static const char *const of_vectors[] = {"seen", "cursors", "floor", "met"};
    const fuzz_column *columns;
    size_t count = fuzz_columns(&columns);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(columns[i].name, "clock") == 0) {
            char *sql = sqlite3_mprintf("SELECT clock FROM %s LIMIT 6 OFFSET 1", columns[i].table);
            FUZZ_CHECK(sql != NULL);
            put_tampering(db, columns[i].table, "clock", sql, 0);
            sqlite3_free(sql);
        }
    }
    for (size_t i = 0; i < sizeof of_vectors / sizeof of_vectors[0]; i++) {
        put_tampering(db, "sync_meta", of_vectors[i], vectors, (int)i);
    }
    put_tampering(db, "sync_peer", "seen", vectors, 0);
    put_tampering(db, "sync_peer", "site", "SELECT site FROM sync_site", 0);
    put_tampering(db, "sync_peer", "at", "VALUES(-1), (0), (9223372036854775807)", 0);
    put_tampering(db, "sync_table", "lives", "VALUES(3), (-2), (9223372036854775806)", 0);
    put_tampering(db, "sync_site", "own", "VALUES(1), (-1), (9223372036854775807)", 0);
}

static void put_talk(sync_buf *talk, const sync_buf *message)
{
    sync_buf_put_u8(talk, 1); /* fuzz_protocol puts the check there itself */
    sync_buf_put_u8(talk, (uint8_t)((message->len - 8) >> 8));
    sync_buf_put_u8(talk, (uint8_t)(message->len - 8));
    sync_buf_put(talk, message->data, message->len - 8);
}

/* Presence with two members, behind an announcement. */
static void put_presence(sync_frame frame)
{
    sync_buf members = {0}, message = {0}, talk = {0};
    sync_frame hello = {.type = SYNC_FRAME_ANNOUNCE};
    hello.announce.protocol = SYNC_PROTOCOL_VERSION;
    hello.announce.room = sync_frame_text_of("room");
    peer_members_put(&members, &(peer_member){.by = PEER_BY_TOKEN, .since_s = 1800000000, .user = "ann"});
    peer_members_put(&members, &(peer_member){.relays = true, .since_s = 1800000000});
    frame.payload = members.data;
    frame.payload_bytes = members.len;
    FUZZ_CHECK(sync_frame_put(&message, &hello) == SYNC_OK);
    put_talk(&talk, &message);
    sync_buf_reset(&message);
    FUZZ_CHECK(sync_frame_put(&message, &frame) == SYNC_OK);
    put_talk(&talk, &message);
    fuzz_put("protocol", -1, talk.data, talk.len);
    sync_buf_free(&members);
    sync_buf_free(&message);
    sync_buf_free(&talk);
}

/* One message of each type, with a payload where it may have one. */
static void put_messages(const sync_buf *payload, const sync_buf *seen)
{
    sync_buf message = {0}, talk = {0};
    for (int type = 1; type < SYNC_FRAME_TYPES; type++) {
        for (int heavy = 0; heavy < 2; heavy++) {
            sync_frame frame = {.type = (sync_frame_type)type};
            if (type == SYNC_FRAME_ANNOUNCE) {
                frame.announce.protocol = SYNC_PROTOCOL_VERSION;
                frame.announce.room = sync_frame_text_of("room");
                frame.announce.software = sync_frame_text_of("sync-peer");
                frame.announce.rights = SYNC_RIGHT_READ | SYNC_RIGHT_WRITE | SYNC_RIGHT_SNAPSHOT;
            } else if (type == SYNC_FRAME_REJECT) {
                frame.reject.reason =
                    heavy != 0 ? SYNC_REJECT_ERROR + SYNC_PEER_ERROR_CHANGES : SYNC_REJECT_AWAY;
            } else if (type == SYNC_FRAME_APPLY) {
                frame.apply.stream = 300;
                frame.apply.kind = SYNC_CHANGES_LAST;
            } else if (type == SYNC_FRAME_SNAPSHOT) { /* the only chunk of a small one */
                frame.snapshot.size = frame.snapshot.bytes = payload->len;
                frame.snapshot.file = payload->len / 2;
                frame.snapshot.hash = (sync_frame_text){.at = "thirty-two bytes, as SHA-256 has",
                                                        .bytes = SYNC_SNAPSHOT_HASH_BYTES};
            } else if (type == SYNC_FRAME_SNAPSHOT_REQUEST) {
                memset(frame.snapshot_request.id.id, 's', sizeof frame.snapshot_request.id.id);
                frame.snapshot_request.offset = payload->len;
            } else if (type == SYNC_FRAME_PRESENCE) {
                frame.presence.peer.id[0] = 7;
                frame.presence.members = 2;
                frame.presence.name = sync_frame_text_of("north");
                put_presence(frame);
            }
            frame.payload = payload->data;
            frame.payload_bytes = heavy != 0 ? payload->len : 0;
            frame.more = heavy != 0;
            sync_buf_reset(&message);
            if (sync_frame_put(&message, &frame) == SYNC_OK) {
                fuzz_put("frame", -1, message.data, message.len);
                put_talk(&talk, &message);
                fuzz_put("protocol", -1, talk.data, talk.len);
            }
        }
    }
    sync_buf_put_u8(&talk, 3);
    sync_buf_put_u8(&talk, (uint8_t)(2 * seen->len >> 8));
    sync_buf_put_u8(&talk, (uint8_t)(2 * seen->len));
    sync_buf_put(&talk, seen->data, seen->len);
    sync_buf_put(&talk, seen->data, seen->len);
    fuzz_put("protocol", -1, talk.data, talk.len);
    sync_buf_free(&message);
    sync_buf_free(&talk);
}

static void put_schema(void)
{
    sync_buf schema = {0};
    sync_error error = {0};
    sqlite3 *db = fuzz_open(FUZZ_OURS);
    fuzz_extend(db);
    FUZZ_CHECK(sync_clone_dump(db, &schema, &error) == SYNC_OK);
    fuzz_put("clone", -1, schema.data, schema.len);
    fuzz_exec(
        db,
        "CREATE VIEW v AS SELECT * FROM note JOIN person; CREATE UNIQUE INDEX i ON note(title, n) WHERE n > "
        "1;"
        "CREATE TRIGGER r AFTER UPDATE ON note BEGIN INSERT INTO tag(note, tag) VALUES(NEW.id, 1); END;"
        "CREATE TABLE g(a INT PRIMARY KEY, b INT AS (a + 1) STORED, c ANY DEFAULT (abs(-1))) STRICT, WITHOUT "
        "ROWID;");
    sync_buf_reset(&schema);
    FUZZ_CHECK(sync_clone_dump(db, &schema, &error) == SYNC_OK);
    fuzz_put("clone", -1, schema.data, schema.len);
    sync_buf_free(&schema);
    fuzz_close(db);
}

int main(int argc, char **argv)
{
    sync_buf seen[FUZZ_FILES] = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
        return 2;
    }
    directory = argv[1];
    make_directory(directory);
    fuzz_files();
    for (int f = 0; f < FUZZ_FILES; f++) {
        sqlite3 *db = fuzz_open((fuzz_file)f);
        fuzz_extend(db);
        fuzz_blob(db, "SELECT sync_seen()", NULL, &seen[f]);
        fuzz_put("codec", -1, seen[f].data, seen[f].len);
        fuzz_put("head", 1, seen[f].data + 5, seen[f].len - 9); /* without magic and check */
        put_clocks(db);
        put_tamperings(db);
        fuzz_close(db);
    }
    for (int f = 0; f < FUZZ_FILES; f++) {
        sqlite3 *db = fuzz_open((fuzz_file)f);
        fuzz_extend(db);
        put_changesets(db, &seen[f == FUZZ_OURS ? FUZZ_THEIRS : FUZZ_OURS]);
        fuzz_close(db);
    }
    put_messages(&seen[0], &seen[1]);
    put_schema();
    fuzz_put_peer();
    for (int f = 0; f < FUZZ_FILES; f++) {
        sync_buf_free(&seen[f]);
    }
    return 0;
}
