/* Writes the inputs that fuzzing begins with: real messages, changesets, clocks and schemas of small files.
**
** usage: fuzz_seeds DIRECTORY    (makes DIRECTORY/TARGET/NUMBER) */
#include "file.h"
#include "fuzz.h"
#include "pack.h"

#include "clone.h"
#include "frame.h"
#include "sync_ext.h"

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

/* One input of a target: `first`, if not negative, then data. */
static void put(const char *target, int first, const void *data, size_t bytes)
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

static void put_changeset(const void *blob, size_t bytes)
{
    sync_buf contents = {0};
    FUZZ_CHECK(fuzz_unpack(blob, bytes, &contents));
    put("codec", -1, contents.data, contents.len);
    put("head", 0, contents.data, contents.len);
    put("apply", -1, contents.data, contents.len);
    sync_buf_free(&contents);
}

static void put_changesets(sqlite3 *db, const sync_buf *seen)
{
    sync_stream *stream = NULL;
    const void *part = NULL;
    size_t bytes = 0;
    int last = 0;
    char *error = NULL;
    sync_buf whole = {0};
    fuzz_blob(db, "SELECT sync_changeset()", NULL, &whole);
    put_changeset(whole.data, whole.len);
    put("codec", -1, whole.data, whole.len);
    fuzz_blob(db, "SELECT sync_changeset(?1)", seen, &whole);
    put_changeset(whole.data, whole.len);
    sync_buf_free(&whole);
    FUZZ_CHECK(sync_stream_open(db, seen->data, seen->len, 200, 4, &stream, &error) == SQLITE_OK);
    while (last == 0 && sync_stream_next(stream, &part, &bytes, &last, &error) == SQLITE_ROW) {
        put_changeset(part, bytes);
    }
    sync_stream_close(stream);
}

/* The first column of each row. */
static void put_each(sqlite3 *db, const char *target, int first, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    FUZZ_CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(stmt, 0);
        put(target, first, bytes, (size_t)sqlite3_column_bytes(stmt, 0));
    }
    sqlite3_finalize(stmt);
}

/* A clock, written over one in the file by fuzz_tamper: column `clock` comes among the first of the tables with clocks. */
static void put_clocks(sqlite3 *db)
{
    put_each(db, "clock", 0, "SELECT DISTINCT clock FROM sync_row_1 UNION SELECT clock FROM sync_row_3");
    put_each(db, "clock", 1, "SELECT DISTINCT clock FROM sync_row_2 UNION SELECT clock FROM sync_hidden_2");
    put_each(db, "tamper", 0,
             "SELECT x'000100' || x'0b' || CAST(char(length(clock)) AS BLOB) || clock FROM sync_row_1");
    put_each(db, "tamper", 1, "SELECT x'051001' || x'00' || x'071200' || x'00' || x'000b00' || zeroblob(2)");
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
                frame.announce.rights = SYNC_RIGHT_READ | SYNC_RIGHT_WRITE;
            } else if (type == SYNC_FRAME_REJECT) {
                frame.reject.reason = SYNC_REJECT_BEHIND;
            }
            frame.payload = payload->data;
            frame.payload_bytes = heavy != 0 ? payload->len : 0;
            frame.more = heavy != 0;
            sync_buf_reset(&message);
            if (sync_frame_put(&message, &frame) == SYNC_OK) {
                put("frame", -1, message.data, message.len);
                sync_buf_put_u8(&talk, 1); /* fuzz_protocol puts the check there itself */
                sync_buf_put_u8(&talk, (uint8_t)((message.len - 8) >> 8));
                sync_buf_put_u8(&talk, (uint8_t)(message.len - 8));
                sync_buf_put(&talk, message.data, message.len - 8);
                put("protocol", -1, talk.data, talk.len);
            }
        }
    }
    sync_buf_put_u8(&talk, 3);
    sync_buf_put_u8(&talk, (uint8_t)(2 * seen->len >> 8));
    sync_buf_put_u8(&talk, (uint8_t)(2 * seen->len));
    sync_buf_put(&talk, seen->data, seen->len);
    sync_buf_put(&talk, seen->data, seen->len);
    put("protocol", -1, talk.data, talk.len);
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
    put("clone", -1, schema.data, schema.len);
    fuzz_exec(
        db,
        "CREATE VIEW v AS SELECT * FROM note JOIN person; CREATE UNIQUE INDEX i ON note(title, n) WHERE n > "
        "1;"
        "CREATE TRIGGER r AFTER UPDATE ON note BEGIN INSERT INTO tag(note, tag) VALUES(NEW.id, 1); END;"
        "CREATE TABLE g(a INT PRIMARY KEY, b INT AS (a + 1) STORED, c ANY DEFAULT (abs(-1))) STRICT, WITHOUT "
        "ROWID;");
    sync_buf_reset(&schema);
    FUZZ_CHECK(sync_clone_dump(db, &schema, &error) == SYNC_OK);
    put("clone", -1, schema.data, schema.len);
    sync_buf_free(&schema);
    fuzz_close(db);
}

int main(int argc, char **argv)
{
    sync_buf seen[FUZZ_FILES] = {{0}, {0}};
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
        put("codec", -1, seen[f].data, seen[f].len);
        put("head", 1, seen[f].data + 5, seen[f].len - 9); /* without magic and check */
        put_clocks(db);
        fuzz_close(db);
    }
    for (int f = 0; f < FUZZ_FILES; f++) {
        sqlite3 *db = fuzz_open((fuzz_file)f);
        fuzz_extend(db);
        put_changesets(db, &seen[1 - f]);
        fuzz_close(db);
    }
    put_messages(&seen[0], &seen[1]);
    put_schema();
    sync_buf_free(&seen[0]);
    sync_buf_free(&seen[1]);
    return 0;
}
