#include "accounts.h"

#include "database.h"
#include "log.h"
#include "message.h"
#include "token.h"
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/crypto.h>

typedef enum verb { ADD, SET, REMOVE, LIST, VERBS } verb;

static const char *const verbs[VERBS] = {"add", "set", "remove", "list"};

/* One run of the command. */
typedef struct task {
    verb verb;
    const char *file, *table, *user, *rooms, *rights; /* NULL: not given */
    sqlite3 *db;
} task;

/* ---- the command line */

/* Is every part of a list by commas made of these characters, not empty, and not too long? */
static bool is_list(const char *list, const char *characters, size_t part_max)
{
    bool good = true;
    for (const char *at = list; good && at != NULL;) {
        size_t bytes = strcspn(at, ",");
        good = bytes > 0 && bytes <= part_max && strspn(at, characters) >= bytes;
        at = at[bytes] == ',' ? at + bytes + 1 : NULL;
    }
    return good;
}

static bool are_rights(const char *list)
{
    static const char *const known[] = {"read", "write", "admin"};
    bool good = strlen(list) <= PEER_USER_RIGHTS_BYTES_MAX;
    for (const char *at = list; good && at != NULL;) {
        size_t bytes = strcspn(at, ","), i = 0;
        while (i < 3 && (strlen(known[i]) != bytes || memcmp(known[i], at, bytes) != 0)) {
            i++;
        }
        good = i < 3;
        at = at[bytes] == ',' ? at + bytes + 1 : NULL;
    }
    return good;
}

static int check(const task *t)
{
    const size_t user_max = sizeof((peer_grant *)NULL)->user - 1;
    if (t->verb != LIST && t->user == NULL) {
        return peer_command_usage("user %s needs --sub, the name of the user", verbs[t->verb]);
    }
    if (t->verb == ADD && (t->rooms == NULL || t->rights == NULL)) {
        return peer_command_usage("user add needs --room and --rights");
    }
    if ((t->verb == REMOVE || t->verb == LIST) && (t->rooms != NULL || t->rights != NULL)) {
        return peer_command_usage("--room and --rights are not for user %s", verbs[t->verb]);
    }
    if (t->user != NULL && (*t->user == 0 || strlen(t->user) > user_max)) {
        return peer_command_usage("--sub is empty, or longer than %zu bytes", user_max);
    }
    if (t->rooms != NULL &&
        (strlen(t->rooms) > PEER_USER_ROOMS_BYTES_MAX ||
         !is_list(t->rooms, "abcdefghijklmnopqrstuvwxyz0123456789_-*", PEER_ROOM_NAME_MAX))) {
        return peer_command_usage("--room %s is no list of room names (a-z 0-9 _ -, at most %d, * for any "
                                  "characters; by commas)",
                                  t->rooms, PEER_ROOM_NAME_MAX);
    }
    if (t->rights != NULL && !are_rights(t->rights)) {
        return peer_command_usage("--rights %s is not read, write or admin, or several, by commas",
                                  t->rights);
    }
    return PEER_EXIT_OK;
}

/* ---- the password */

/* Does not show what is typed at a terminal; false: it is none. */
static bool hide(struct termios *before)
{
    if (isatty(STDIN_FILENO) == 0 || tcgetattr(STDIN_FILENO, before) != 0) {
        return false;
    }
    struct termios hidden = *before;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
}

/* The first line of stdin, without its end; false: it has been said what is wrong with it. */
static bool read_password(char password[PEER_PASSWORD_BYTES_MAX + 1])
{
    struct termios before;
    size_t bytes = 0;
    char c = 0;
    ssize_t got = 0;
    const bool hidden = hide(&before);
    if (hidden) {
        fputs("Password: ", stderr);
    }
    while (bytes <= PEER_PASSWORD_BYTES_MAX && (got = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n' &&
           c != 0) {
        if (bytes < PEER_PASSWORD_BYTES_MAX) {
            password[bytes] = c;
        }
        bytes++;
    }
    if (hidden) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    bool good = got >= 0 && bytes > 0 && bytes <= PEER_PASSWORD_BYTES_MAX && (got == 0 || c == '\n');
    password[good ? bytes : 0] = 0;
    if (!good) {
        peer_error(PEER_EXIT_USAGE,
                   "the first line of standard input is no password: it has 1 to %d bytes, none of them NUL",
                   PEER_PASSWORD_BYTES_MAX);
    }
    return good;
}

/* A new hash; an exit code. */
static int ask_hash(char hash[PEER_HASH_BYTES_MAX])
{
    char password[PEER_PASSWORD_BYTES_MAX + 1];
    int code = read_password(password) ? PEER_EXIT_OK : PEER_EXIT_USAGE;
    if (code == PEER_EXIT_OK && !peer_password_hash(password, hash)) {
        code = PEER_EXIT_ERROR;
        peer_error(code,
                   "the password cannot be hashed: libcrypt has no yescrypt, or there is no randomness");
    }
    OPENSSL_cleanse(password, sizeof password);
    return code;
}

/* ---- the table */

static int fail(const task *t, int rc)
{
    int code = peer_exit_of(rc);
    peer_error(code, "%s: %s", t->file, sqlite3_errmsg(t->db));
    return code;
}

/* A statement about the table, whose name comes between its two halves, with up to four texts, NULL being none. An exit code; *stmt is the
 * caller's to finalize in any case. */
static int prepare(const task *t, const char *before, const char *after, const char *const texts[4],
                   sqlite3_stmt **stmt)
{
    char *sql = sqlite3_mprintf("%s \"%w\" %s", before, t->table, after);
    int rc = sql != NULL ? sqlite3_prepare_v2(t->db, sql, -1, stmt, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    for (int i = 0; rc == SQLITE_OK && texts != NULL && i < sqlite3_bind_parameter_count(*stmt); i++) {
        rc = sqlite3_bind_text(*stmt, i + 1, texts[i], -1, SQLITE_STATIC);
    }
    return rc == SQLITE_OK ? PEER_EXIT_OK : fail(t, rc);
}

static int run(const task *t, const char *before, const char *after, const char *const texts[4])
{
    sqlite3_stmt *stmt = NULL;
    int code = prepare(t, before, after, texts, &stmt);
    int rc = code == PEER_EXIT_OK ? sqlite3_step(stmt) : SQLITE_DONE;
    code = rc == SQLITE_DONE ? code : fail(t, rc);
    sqlite3_finalize(stmt);
    return code;
}

static int add_user(const task *t)
{
    char hash[PEER_HASH_BYTES_MAX] = "";
    int code = run(
        t, "CREATE TABLE IF NOT EXISTS",
        "(name TEXT PRIMARY KEY, password TEXT NOT NULL, room TEXT NOT NULL, rights TEXT NOT NULL)", NULL);
    code = code == PEER_EXIT_OK ? ask_hash(hash) : code;
    if (code == PEER_EXIT_OK) {
        code = run(t, "INSERT INTO",
                   "(name, password, room, rights) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                   (const char *[]){t->user, hash, t->rooms, t->rights});
    }
    if (code == PEER_EXIT_OK && sqlite3_changes(t->db) == 0) {
        code = PEER_EXIT_ERROR;
        peer_error(code, "%s: there is a user %s already: sync-peer user set changes him", t->file, t->user);
    }
    return code;
}

static int must_have_changed(const task *t, int code)
{
    if (code == PEER_EXIT_OK && sqlite3_changes(t->db) == 0) {
        code = PEER_EXIT_MISSING;
        peer_error(code, "%s: there is no user %s; sync-peer user list says who there is", t->file, t->user);
    }
    return code;
}

/* Rooms and rights if they are given, else the password. */
static int set_user(const task *t)
{
    char hash[PEER_HASH_BYTES_MAX] = "";
    const bool password = t->rooms == NULL && t->rights == NULL;
    int code = password ? ask_hash(hash) : PEER_EXIT_OK;
    if (code == PEER_EXIT_OK) {
        code = run(t, "UPDATE",
                   "SET password = ifnull(?2, password), room = ifnull(?3, room), rights = ifnull(?4, "
                   "rights) WHERE name = ?1",
                   (const char *[]){t->user, password ? hash : NULL, t->rooms, t->rights});
    }
    return must_have_changed(t, code);
}

static int list_users(const task *t)
{
    sqlite3_stmt *stmt = NULL;
    int code = prepare(t, "SELECT json_object('name', name, 'room', room, 'rights', rights) FROM",
                       "ORDER BY name", NULL, &stmt),
        rc = SQLITE_DONE;
    while (code == PEER_EXIT_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        puts((const char *)sqlite3_column_text(stmt, 0));
    }
    code = rc == SQLITE_DONE ? code : fail(t, rc);
    sqlite3_finalize(stmt);
    return code;
}

/* Makes the file, for its owner alone, since hashes are in it. False: it has been said why not. */
static bool make_file(const task *t)
{
    int fd = open(t->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        peer_error(PEER_EXIT_READONLY, "%s: %s%s", t->file, strerror(errno), peer_remedy(errno));
        return false;
    }
    close(fd);
    return true;
}

int peer_accounts_run(const peer_words *w)
{
    task t = {.file = w->file[1],
              .table = w->value[PEER_WORD_TABLE] != NULL ? w->value[PEER_WORD_TABLE] : PEER_USERS_TABLE,
              .user = w->value[PEER_WORD_SUB],
              .rooms = w->value[PEER_WORD_ROOM],
              .rights = w->value[PEER_WORD_RIGHTS]};
    while (t.verb < VERBS && strcmp(verbs[t.verb], w->file[0]) != 0) {
        t.verb++;
    }
    if (t.verb == VERBS) {
        return peer_command_usage("user %s is none of add, set, remove and list", w->file[0]);
    }
    int code = check(&t);
    if (code != PEER_EXIT_OK) {
        return code;
    }
    if (t.verb != ADD && access(t.file, F_OK) != 0) {
        peer_error(PEER_EXIT_MISSING, "%s: %s", t.file, strerror(errno));
        return PEER_EXIT_MISSING;
    }
    if (t.verb == ADD && !make_file(&t)) {
        return PEER_EXIT_READONLY;
    }
    char *why = NULL;
    t.db = peer_users_open(t.file, t.verb == LIST ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, &why);
    if (t.db == NULL) {
        peer_error(PEER_EXIT_ERROR, "%s", why);
        free(why);
        return PEER_EXIT_ERROR;
    }
    code = t.verb == ADD    ? add_user(&t)
           : t.verb == SET  ? set_user(&t)
           : t.verb == LIST ? list_users(&t)
                            : must_have_changed(&t, run(&t, "DELETE FROM", "WHERE name = ?1",
                                                        (const char *[]){t.user, NULL, NULL, NULL}));
    sqlite3_close(t.db);
    return code;
}
