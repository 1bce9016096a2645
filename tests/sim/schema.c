#include "schema.h"

#include <string.h>

static const char *pick(sim_dice *dice, const char *const *from, int count)
{
    return from[dice_below(dice, count)];
}

#define PICK(dice, list) pick(dice, list, (int)(sizeof(list) / sizeof((list)[0])))

bool schema_by_row(const sim_table *t)
{
    return t->kind == KIND_NUMBER || t->kind == KIND_AUTOINCREMENT;
}

bool schema_by_birth(const sim_schema *schema, int table)
{
    const sim_table *t = &schema->table[table];
    bool by_birth = schema_by_row(t);
    for (int k = 0; k < 2 && !by_birth; k++) { /* to earlier tables */
        by_birth = t->refers[k] >= 0 && schema_by_birth(schema, t->refers[k]);
    }
    return by_birth;
}

static bool is_number(const sim_table *t)
{
    return schema_by_row(t) || t->kind == KIND_NUMBER_BY_KEY;
}

const char *schema_options(const sim_table *t)
{
    return t->kind == KIND_NUMBER_BY_KEY ? "{\"identity\":\"key\"}" : NULL;
}

static void make_columns(sim_schema *schema, sim_table *t, sim_dice *dice, bool references)
{
    static const char *const affinities[] = {"", " TEXT", " INTEGER", " REAL", " NUMERIC", " BLOB"};
    static const char *const actions[] = {"NO ACTION", "CASCADE", "SET NULL", "RESTRICT"};
    static const char *const defaults[] = {NULL, NULL, "'dflt'", "7"};
    static const char *const clauses[] = {"",
                                          "",
                                          "",
                                          " ON CONFLICT ROLLBACK",
                                          " ON CONFLICT FAIL",
                                          " ON CONFLICT IGNORE",
                                          " ON CONFLICT REPLACE"};
    t->clause = PICK(dice, clauses);
    int plain = dice_below(dice, 5);
    for (int i = 0; i < plain; i++) {
        sim_column *c = &t->column[t->count++];
        *c = (sim_column){.affinity = PICK(dice, affinities), .unique = dice_percent(dice, 15), .parent = -1};
        c->filled = !c->unique && dice_percent(dice, 8);
        sqlite3_snprintf(sizeof c->name, c->name, "c%d", i);
    }
    int self = (int)(t - schema->table);
    int parent = dice_below(dice, self + 1);
    if (references && dice_percent(dice, 50) && schema->table[parent].keys == 1) {
        sim_column *c = &t->column[t->count++];
        const sim_table *p = &schema->table[parent];
        *c = (sim_column){.name = "p", .parent = parent};
        c->affinity = is_number(p) || p->kind == KIND_DETAIL ? " INT"
                      : p->kind == KIND_BLOB_WITHOUT_ROWID   ? ""
                                                             : " TEXT";
        t->on_delete = PICK(dice, actions);
        t->on_update = PICK(dice, actions);
        t->deferred = dice_percent(dice, 50);
        schema->itself = schema->itself || parent == self;
    }
    for (int i = 0; i < 2; i++) {
        sim_column *c = &t->column[t->count++];
        *c = (sim_column){.affinity = "", .late = true, .parent = -1, .deflt = PICK(dice, defaults)};
        sqlite3_snprintf(sizeof c->name, c->name, "late%d", i);
    }
}

/* The keys of some tables refer to those of earlier ones, if there are any. */
static void make_key(const sim_schema *schema, sim_table *t, sim_dice *dice, bool references)
{
    static const char *const actions[] = {"NO ACTION", "CASCADE", "CASCADE", "RESTRICT"};
    int self = (int)(t - schema->table);
    int parts = t->kind == KIND_TAG ? 2 : t->kind == KIND_LINE || t->kind == KIND_DETAIL ? 1 : 0;
    t->refers[0] = t->refers[1] = -1;
    t->key_action = PICK(dice, actions);
    t->key_deferred = dice_percent(dice, 30);
    for (int k = 0; k < parts; k++) {
        int parent = self ? dice_below(dice, self) : 0;
        bool fit = references && self && schema->table[parent].keys == 1 &&
                   (t->kind != KIND_DETAIL || is_number(&schema->table[parent]));
        t->refers[k] = fit ? parent : -1;
    }
    if (t->kind == KIND_DETAIL && t->refers[0] < 0) {
        t->kind = KIND_NUMBER;
    }
    t->keys = t->kind == KIND_PAIR || t->kind == KIND_PAIR_WITHOUT_ROWID || t->kind == KIND_TAG ||
                      t->kind == KIND_LINE
                  ? 2
                  : 1;
}

void schema_make(sim_schema *schema, sim_dice *dice, bool references)
{
    static const char *const raises[] = {"ABORT", "ABORT", "FAIL", "ROLLBACK", "IGNORE"};
    memset(schema, 0, sizeof *schema);
    schema->count = dice_percent(dice, 50) ? 1 : dice_percent(dice, 70) ? 2 : SIM_TABLES;
    for (int i = 0; i < schema->count; i++) {
        sim_table *t = &schema->table[i];
        sqlite3_snprintf(sizeof t->name, t->name, "t%d", i);
        t->kind = (sim_kind)dice_below(dice, KINDS);
        make_key(schema, t, dice, references);
        make_columns(schema, t, dice, references);
        t->partial = dice_percent(dice, 10) && strcmp(t->column[0].name, "c0") == 0;
        t->generated = dice_percent(dice, 8);
        t->pushes = dice_percent(dice, 15) ? dice_below(dice, schema->count) : -1;
        t->raises = dice_percent(dice, 15) && !t->column[0].late ? PICK(dice, raises) : NULL;
        t->pushing = dice_below(dice, 4);
    }
}

static void table_sql(sqlite3_str *to, const sim_schema *schema, const sim_table *t)
{
    static const char *const key[KINDS] = {"k TEXT PRIMARY KEY",
                                           "k INTEGER PRIMARY KEY",
                                           "k INTEGER PRIMARY KEY AUTOINCREMENT",
                                           "k INTEGER PRIMARY KEY",
                                           "k TEXT COLLATE NOCASE PRIMARY KEY",
                                           "k TEXT, l INT",
                                           "k, l TEXT COLLATE NOCASE",
                                           "k BLOB PRIMARY KEY",
                                           "k NUMERIC, l NUMERIC",
                                           "k INT, l INT",
                                           "k INTEGER PRIMARY KEY"};
    sqlite3_str_appendf(to, "CREATE TABLE %s(%s", t->name, key[t->kind]);
    for (int i = 0; i < t->count; i++) {
        const sim_column *c = &t->column[i];
        if (c->late) {
            continue;
        }
        sqlite3_str_appendf(to, ", %s%s%s%s", c->name, c->affinity,
                            c->unique   ? " UNIQUE"
                            : c->filled ? " NOT NULL"
                                        : "",
                            c->unique || c->filled ? t->clause : "");
        sqlite3_str_appendall(to, c->filled ? " DEFAULT 'none'" : "");
        if (c->parent >= 0) {
            sqlite3_str_appendf(to, " REFERENCES %s ON DELETE %s ON UPDATE %s%s",
                                schema->table[c->parent].name, t->on_delete, t->on_update,
                                t->deferred ? " DEFERRABLE INITIALLY DEFERRED" : "");
        }
    }
    sqlite3_str_appendall(to, t->generated ? ", g AS (k) VIRTUAL" : "");
    sqlite3_str_appendall(to, t->keys == 2 ? ", PRIMARY KEY(k, l)" : "");
    for (int k = 0; k < 2; k++) {
        if (t->refers[k] >= 0) {
            sqlite3_str_appendf(to, ", FOREIGN KEY(%c) REFERENCES %s ON DELETE %s ON UPDATE %s%s", "kl"[k],
                                schema -> table[t->refers[k]].name, t->key_action, t->key_action,
                                t->key_deferred ? " DEFERRABLE INITIALLY DEFERRED" : "");
        }
    }
    sqlite3_str_appendall(to, ")");
    bool without = t->kind == KIND_PAIR_WITHOUT_ROWID || t->kind == KIND_BLOB_WITHOUT_ROWID;
    sqlite3_str_appendall(to, without ? " WITHOUT ROWID;\n" : ";\n");
    if (t->partial) {
        sqlite3_str_appendf(to, "CREATE UNIQUE INDEX %s_partial ON %s(c0) WHERE c0 > 1;\n", t->name, t->name);
    }
}

/* A trigger of the application's that writes into a tracked table: a row of the same key, if there is none or else failing. Only into later tables:
** with OR REPLACE two that wrote into each other would never end. */
static void trigger_sql(sqlite3_str *to, const sim_schema *schema, const sim_table *t)
{
    static const char *const when[] = {"AFTER INSERT", "AFTER INSERT", "BEFORE INSERT", "AFTER DELETE"};
    const sim_table *other = &schema->table[t->pushes];
    if (other <= t || other->keys != t->keys || other->kind >= KIND_TAG || is_number(other) != is_number(t) ||
        other->column[0].late) {
        sqlite3_str_appendf(
            to,
            "CREATE TRIGGER u_%s AFTER UPDATE ON %s BEGIN INSERT INTO seen_by_trigger VALUES('%s'); END;\n",
            t->name, t->name, t->name);
        return;
    }
    const char *row = t->pushing == 3 ? "OLD" : "NEW";
    sqlite3_str_appendf(to, "CREATE TRIGGER u_%s %s ON %s BEGIN INSERT %sINTO %s(k%s) VALUES(%s.k", t->name,
                        when[t->pushing], t->name, t->pushing ? "" : "OR IGNORE ", other->name,
                        t->keys == 2 ? ", l" : "", row);
    sqlite3_str_appendf(to, t->keys == 2 ? ", %s.l); END;\n" : "); END;\n", row);
}

char *schema_sql(const sim_schema *schema, bool triggers)
{
    sqlite3_str *to = sqlite3_str_new(NULL);
    sqlite3_str_appendall(to, "CREATE TABLE sim_mark(n, attempt); INSERT INTO sim_mark VALUES(0, 0);\nCREATE "
                              "TABLE seen_by_trigger(x);\n");
    for (int i = 0; i < schema->count; i++) {
        table_sql(to, schema, &schema->table[i]);
    }
    for (int i = 0; triggers && i < schema->count; i++) {
        if (schema->table[i].pushes >= 0) {
            trigger_sql(to, schema, &schema->table[i]);
        }
    }
    return sqlite3_str_finish(to);
}

char *schema_refusals(const sim_schema *schema)
{
    sqlite3_str *to = sqlite3_str_new(NULL);
    for (int i = 0; i < schema->count; i++) {
        const sim_table *t = &schema->table[i];
        for (int update = 0; t->raises && update < 2; update++) {
            sqlite3_str_appendf(
                to,
                "CREATE TRIGGER no_%s_%d BEFORE %s ON %s WHEN NEW.%s = 2 BEGIN SELECT RAISE(%s%s); END;\n",
                t->name, update, update ? "UPDATE" : "INSERT", t->name, t->column[0].name, t->raises,
                *t->raises == 'I' ? "" : ", 'no 2 here'");
        }
    }
    return sqlite3_str_finish(to);
}

char *schema_add(const sim_schema *schema, int table, int col)
{
    const sim_column *c = &schema->table[table].column[col];
    return sqlite3_mprintf("ALTER TABLE %s ADD COLUMN %s%s%s", schema->table[table].name, c->name,
                           c->deflt ? " DEFAULT " : "", c->deflt ? c->deflt : "");
}

/* ---- statements ---- */

static const char *key_part(const sim_schema *schema, const sim_table *t, int part, sim_dice *dice)
{
    static const char *const text[] = {"'a'", "'b'", "'c'", "'A'", "'ä'"};
    static const char *const number[] = {"1", "2", "3", "4", "1000"};
    static const char *const blob[] = {"x''", "x'61'", "x'00'", "'a'", "1"};
    static const char *const any[] = {"1", "1.5", "'a'", "x'61'"};
    static const char *const small[] = {"1", "2"};
    if (t->refers[part] >= 0) {
        return key_part(schema, &schema->table[t->refers[part]], 0, dice);
    }
    if (t->kind == KIND_TAG || t->kind == KIND_LINE) {
        return PICK(dice, small);
    }
    if (is_number(t)) {
        return PICK(dice, number);
    }
    if (t->kind == KIND_BLOB_WITHOUT_ROWID) {
        return PICK(dice, blob);
    }
    if (t->kind == KIND_PAIR_WITHOUT_ROWID) {
        return part == 0 ? PICK(dice, any) : PICK(dice, text);
    }
    return part == 0 ? PICK(dice, text) : PICK(dice, small);
}

static void put_value(sqlite3_str *to, const sim_schema *schema, const sim_column *c, sim_dice *dice,
                      unsigned *token)
{
    static const char *const few[] = {"NULL", "1", "2", "'u'", "'v'"};
    static const char *const odd[] = {"NULL",
                                      "0",
                                      "1.0",
                                      "9223372036854775807",
                                      "-9223372036854775808",
                                      "9e999",
                                      "''",
                                      "'x' || char(0) || 'y'",
                                      "x''",
                                      "x'ff00'",
                                      "'1'",
                                      "'1.0'",
                                      "127",
                                      "128",
                                      "255",
                                      "256",
                                      "2147483648",
                                      "zeroblob(300)",
                                      "zeroblob(2000)", /* pages have 1024 bytes */
                                      "printf('%.*c', 5000, 'q')",
                                      "1e15"};
    if (c->parent >= 0) {
        sqlite3_str_appendall(
            to, dice_percent(dice, 80) ? key_part(schema, &schema->table[c->parent], 0, dice) : "NULL");
        return;
    }
    if (c->unique || dice_percent(dice, 15)) {
        sqlite3_str_appendall(to, PICK(dice, few));
        return;
    }
    if (dice_percent(dice, 15)) {
        sqlite3_str_appendall(to, PICK(dice, odd));
        return;
    }
    static const char *const tokens[] = {"'w%u'", "1%05u", "%u.5", "x'0%05u'"};
    ++*token;
    if (dice_percent(dice, 2)) {
        sqlite3_str_appendf(to, "'w%u' || printf('%%.*c', 3000, 'z')", *token);
    } else {
        sqlite3_str_appendf(to, PICK(dice, tokens), *token);
    }
}

static void put_where(sqlite3_str *to, const sim_schema *schema, const sim_table *t, sim_dice *dice)
{
    sqlite3_str_appendf(to, " WHERE k = %s", key_part(schema, t, 0, dice));
    if (t->keys == 2) {
        sqlite3_str_appendf(to, " AND l = %s", key_part(schema, t, 1, dice));
    }
}

typedef struct sim_choice {
    int count;
    int col[SIM_COLUMNS];
} sim_choice;

static sim_choice some_columns(const sim_table *t, const bool *late, sim_dice *dice)
{
    sim_choice chosen = {0};
    for (int i = 0; i < t->count; i++) {
        if ((!t->column[i].late || late[i]) && dice_percent(dice, 65)) {
            chosen.col[chosen.count++] = i;
        }
    }
    return chosen;
}

static void put_insert(sqlite3_str *to, const sim_schema *schema, const sim_table *t,
                       const sim_choice *chosen, bool with_key, bool several, sim_dice *dice, unsigned *token)
{
    sqlite3_str_appendf(to, " INTO %s(", t->name);
    const char *comma = "";
    if (with_key) {
        sqlite3_str_appendall(to, t->keys == 2 ? "k, l" : "k");
        comma = ", ";
    }
    for (int i = 0; i < chosen->count; i++, comma = ", ") {
        sqlite3_str_appendf(to, "%s%s", comma, t->column[chosen->col[i]].name);
    }
    int rows = several && dice_percent(dice, 10) ? 3 : 1;
    sqlite3_str_appendall(to, ") VALUES");
    for (int r = 0; r < rows; r++) {
        sqlite3_str_appendall(to, r ? ", (" : "(");
        comma = "";
        for (int k = 0; with_key && k < t->keys; k++, comma = ", ") {
            sqlite3_str_appendf(to, "%s%s", comma, key_part(schema, t, k, dice));
        }
        for (int i = 0; i < chosen->count; i++, comma = ", ") {
            sqlite3_str_appendall(to, comma);
            put_value(to, schema, &t->column[chosen->col[i]], dice, token);
        }
        sqlite3_str_appendall(to, ")");
    }
}

static void put_set(sqlite3_str *to, const sim_schema *schema, const sim_table *t, const sim_choice *chosen,
                    sim_dice *dice, unsigned *token)
{
    for (int i = 0; i < chosen->count; i++) {
        sqlite3_str_appendf(to, "%s%s = ", i ? ", " : "", t->column[chosen->col[i]].name);
        put_value(to, schema, &t->column[chosen->col[i]], dice, token);
    }
}

static const char *conflict_word(sim_dice *dice)
{
    static const char *const words[] = {
        "", "", "", " OR REPLACE", " OR REPLACE", " OR IGNORE", " OR FAIL", " OR ROLLBACK"};
    return PICK(dice, words);
}

static void put_key_change(sqlite3_str *to, const sim_schema *schema, const sim_table *t, sim_dice *dice)
{
    if (is_number(t) && dice_percent(dice, 20)) {
        sqlite3_str_appendf(to, " %s SET k = k + 1", t->name);
        return;
    }
    sqlite3_str_appendf(to, " %s SET k = %s", t->name, key_part(schema, t, 0, dice));
    if (t->keys == 2) {
        sqlite3_str_appendf(to, ", l = %s", key_part(schema, t, 1, dice));
    }
    put_where(to, schema, t, dice);
}

/* Statements that read one table to write another. */
static void put_of_another(sqlite3_str *to, const sim_schema *schema, const sim_table *t, sim_dice *dice)
{
    const sim_table *other = &schema->table[dice_below(dice, schema->count)];
    const char *col = t->column[0].late || t->column[0].parent >= 0 ? NULL : t->column[0].name;
    switch (dice_below(dice, col ? 4 : 2)) {
    case 0:
        sqlite3_str_appendf(to, "DELETE FROM %s WHERE k IN (SELECT k FROM %s ORDER BY k DESC LIMIT 1)",
                            t->name, other->name);
        break;
    case 1:
        sqlite3_str_appendf(to, "INSERT OR IGNORE INTO %s(k%s) SELECT k%s FROM %s", t->name,
                            t->keys == 2 ? ", l" : "", t->keys == 2 ? ", k" : "", other->name);
        break;
    case 2:
        sqlite3_str_appendf(to,
                            "WITH w(x) AS (SELECT max(k) FROM %s) UPDATE OR IGNORE %s SET %s = w.x FROM w",
                            other->name, t->name, col);
        break;
    default:
        sqlite3_str_appendf(to, "UPDATE OR IGNORE %s SET %s = NULL WHERE (k, %s) IN (SELECT k, %s FROM %s)",
                            t->name, col, col, col, t->name);
        break;
    }
}

char *schema_upkeep(const sim_schema *schema, sim_dice *dice)
{
    static const char *const forms[] = {
        "CREATE INDEX IF NOT EXISTS %s_extra ON %s(%s)",
        "DROP INDEX IF EXISTS %s_extra",
        "BEGIN; ALTER TABLE %s RENAME TO renamed; ALTER TABLE renamed RENAME TO %s; COMMIT",
        "BEGIN; DROP TABLE %s; ROLLBACK",
        "VACUUM",
        "REINDEX",
        "ANALYZE"};
    const sim_table *t = &schema->table[dice_below(dice, schema->count)];
    const sim_column *c = &t->column[0];
    int form = dice_below(dice, 8);
    if (form == 7 && !c->late) {
        return sqlite3_mprintf("BEGIN; ALTER TABLE %s RENAME COLUMN %s TO renamed; "
                               "ALTER TABLE %s RENAME COLUMN renamed TO %s; COMMIT",
                               t->name, c->name, t->name, c->name);
    }
    return sqlite3_mprintf(forms[form % 7], t->name, t->name, c->late ? "k" : c->name);
}

sim_statement schema_statement(const sim_schema *schema, bool late[SIM_TABLES][SIM_COLUMNS], sim_dice *dice,
                               unsigned *token)
{
    sim_statement s = {.table = dice_below(dice, schema->count)};
    const sim_table *t = &schema->table[s.table];
    sim_choice chosen = some_columns(t, late[s.table], dice);
    sqlite3_str *to = sqlite3_str_new(NULL);
    const char *word = conflict_word(dice);
    if (strcmp(word, " OR FAIL") == 0 && t->pushes >= 0) {
        word = ""; /* a trigger that was made anew by sync_alter may fail before ours have run */
    }
    int kind = dice_below(dice, 100);
    /* A row that comes and goes within one statement would not be seen by whoever looks before and after it. */
    s.rewrites = strcmp(word, " OR REPLACE") == 0 || strstr(t->clause, "REPLACE");
    bool several = !s.rewrites;
    if (kind < 30 && chosen.count > 0) {
        sqlite3_str_appendf(to, "UPDATE%s %s SET ", word, t->name);
        put_set(to, schema, t, &chosen, dice, token);
        if (kind > 2) {
            put_where(to, schema, t, dice);
        }
    } else if (kind < 40) {
        sqlite3_str_appendf(to, "DELETE FROM %s", t->name);
        put_where(to, schema, t, dice);
    } else if (kind < 43) {
        sqlite3_str_appendf(to, "DELETE FROM %s WHERE k > %s", t->name, key_part(schema, t, 0, dice));
    } else if (kind < 53) {
        sqlite3_str_appendf(to, "UPDATE%s", word);
        put_key_change(to, schema, t, dice);
        s.moves = s.rewrites;
        s.rewrites = true;
    } else if (kind < 60 && chosen.count > 0) {
        sqlite3_str_appendall(to, "INSERT");
        put_insert(to, schema, t, &chosen, true, several, dice, token);
        if (kind == 53) {
            sqlite3_str_appendall(to, " ON CONFLICT DO NOTHING RETURNING k");
        } else {
            sqlite3_str_appendf(to, " ON CONFLICT(%s) DO UPDATE SET ", t->keys == 2 ? "k, l" : "k");
            put_set(to, schema, t, &chosen, dice, token);
        }
    } else if (kind < 66 && is_number(t) && chosen.count > 0) {
        sqlite3_str_appendf(to, "INSERT%s", word);
        put_insert(to, schema, t, &chosen, false, several, dice, token);
    } else if (kind < 68 && is_number(t)) {
        sqlite3_str_appendf(to, "INSERT OR IGNORE INTO %s(k) SELECT k + 1 FROM %s", t->name, t->name);
    } else if (kind < 70) {
        put_of_another(to, schema, t, dice);
    } else {
        sqlite3_str_appendf(to, "INSERT%s", word);
        put_insert(to, schema, t, &chosen, true, several, dice, token);
    }
    s.sql = sqlite3_str_finish(to);
    return s;
}
