#include "schema.h"

#include <string.h>

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

bool schema_is_number(const sim_table *t)
{
    return schema_by_row(t) || t->kind == KIND_NUMBER_BY_KEY;
}

bool schema_is_strict_number(const sim_table *t)
{
    return t->strict && (schema_is_number(t) || t->kind == KIND_DETAIL);
}

bool schema_fills_key(const sim_table *t)
{
    return schema_is_number(t) || t->kind == KIND_TEXT || t->kind == KIND_BLOB_WITHOUT_ROWID;
}

const char *schema_options(const sim_table *t)
{
    return t->kind == KIND_NUMBER_BY_KEY ? "{\"identity\":\"key\"}" : NULL;
}

static const char *const affinities[] = {"", " TEXT", " INTEGER", " REAL", " NUMERIC", " BLOB"};
static const char *const checks[] = {"%s IS NOT 1", "typeof(%s) <> 'blob'",
                                     "%s IS NULL OR length(%s) < 2500"};

static void make_columns(sim_schema *schema, sim_table *t, sim_dice *dice, bool references)
{
    static const char *const actions[] = {"NO ACTION", "CASCADE", "SET NULL", "RESTRICT"};
    static const char *const defaults[] = {NULL, NULL, "'dflt'", "7"};
    static const char *const clauses[] = {"",
                                          "",
                                          "",
                                          " ON CONFLICT ROLLBACK",
                                          " ON CONFLICT FAIL",
                                          " ON CONFLICT IGNORE",
                                          " ON CONFLICT REPLACE"};
    t->clause = DICE_PICK(dice, clauses);
    if (strstr(t->clause, "REPLACE") && schema_is_strict_number(t)) {
        t->clause = "";
    }
    int plain = schema->uneven ? 1 + dice_below(dice, 4) : dice_below(dice, 5);
    for (int i = 0; i < plain; i++) {
        sim_column *c = &t->column[t->count++];
        *c = (sim_column){
            .affinity = DICE_PICK(dice, affinities), .unique = dice_percent(dice, 15), .parent = -1};
        if (t->strict) { /* its types are fewer, and have a name */
            c->typed = true;
            c->affinity = *c->affinity == '\0' || strcmp(c->affinity, " NUMERIC") == 0 ? " ANY" : c->affinity;
        }
        bool text = !t->strict || strcmp(c->affinity, " TEXT") == 0 || strcmp(c->affinity, " ANY") == 0;
        c->filled = !c->unique && text && dice_percent(dice, 8);
        c->check = dice_percent(dice, 15) ? DICE_PICK(dice, checks) : NULL;
        sqlite3_snprintf(sizeof c->name, c->name, "c%d", i);
    }
    int self = (int)(t - schema->table);
    int parent = dice_below(dice, self + 1);
    if (references && dice_percent(dice, 50) && schema->table[parent].keys == 1) {
        sim_column *c = &t->column[t->count++];
        const sim_table *p = &schema->table[parent];
        *c = (sim_column){.name = "p", .parent = parent};
        c->affinity = schema_is_number(p) || p->kind == KIND_DETAIL ? " INT"
                      : p->kind == KIND_BLOB_WITHOUT_ROWID          ? (t->strict ? " ANY" : "")
                                                                    : " TEXT";
        t->on_delete = DICE_PICK(dice, actions);
        t->on_update = DICE_PICK(dice, actions);
        t->deferred = dice_percent(dice, 50);
        schema->itself = schema->itself || parent == self;
    }
    for (int i = 0; i < 2; i++) {
        sim_column *c = &t->column[t->count++];
        *c = (sim_column){.affinity = t->strict ? " ANY" : "",
                          .late = true,
                          .parent = -1,
                          .deflt = DICE_PICK(dice, defaults)};
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
    t->key_action = DICE_PICK(dice, actions);
    t->key_deferred = dice_percent(dice, 30);
    for (int k = 0; k < parts; k++) {
        int parent = self ? dice_below(dice, self) : 0;
        bool fit = references && self && schema->table[parent].keys == 1 &&
                   (t->kind != KIND_DETAIL || schema_is_number(&schema->table[parent]));
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

/* Those that are not one column's own. */
static void make_indexes(sim_table *t, sim_dice *dice)
{
    static const char *const expressions[] = {"lower(%s)", "%s || ''"};
    sim_column *first = &t->column[0], *second = &t->column[1];
    bool both = !first->late && !second->late;
    t->together = dice_percent(dice, 25) && both;
    t->expression =
        dice_percent(dice, 15) && !first->late && first->parent < 0 ? DICE_PICK(dice, expressions) : NULL;
    t->partial = dice_percent(dice, 10) && !first->late && first->parent < 0;
    t->apart = dice_percent(dice, 6) && both;
    first->few = t->together || t->expression || t->apart;
    second->few = t->together || t->apart;
}

bool schema_converts(const sim_table *t, int col)
{
    return t->column[col].other || t->lone_strict;
}

/* References have one type everywhere: they are given on as their column has them. */
static void make_uneven(sim_table *t, sim_dice *dice)
{
    bool strict = t->strict && t->kind != KIND_PAIR_WITHOUT_ROWID && t->kind < KIND_TAG;
    for (int i = 0; i < t->count && !t->column[i].late; i++) {
        sim_column *c = &t->column[i];
        bool refers = c->parent >= 0;
        if (!refers && !t->strict && dice_percent(dice, 30)) {
            c->other = DICE_PICK(dice, affinities);
        }
        if (c->parent < 0 && !c->unique && !c->filled && !c->check && dice_percent(dice, 30)) {
            c->filled = dice_percent(dice, 50) && !t->strict;
            c->check = c->filled ? NULL : checks[0];
        }
        c->lone = dice_percent(dice, 60);
        c->few = c->few || ((c->filled || c->check) && dice_percent(dice, 60));
        strict = strict && (!refers || strcmp(c->affinity, " ANY") != 0);
    }
    t->lone_strict = strict && dice_percent(dice, 60);
    t->lone_indexes = dice_percent(dice, 50);
    t->lone_apart = dice_percent(dice, 50);
}

void schema_make(sim_schema *schema, sim_dice *dice, bool references)
{
    static const char *const raises[] = {"ABORT", "ABORT", "FAIL", "ROLLBACK", "IGNORE"};
    static const char *const generated[] = {"(k) VIRTUAL", "(k) STORED", "(k || '-') STORED"};
    memset(schema, 0, sizeof *schema);
    schema->uneven = dice_percent(dice, 25);
    schema->count = dice_percent(dice, 50) ? 1 : dice_percent(dice, 70) ? 2 : SIM_TABLES;
    for (int i = 0; i < schema->count; i++) {
        sim_table *t = &schema->table[i];
        sqlite3_snprintf(sizeof t->name, t->name, "t%d", i);
        t->kind = (sim_kind)dice_below(dice, KINDS);
        make_key(schema, t, dice, references);
        t->strict = dice_percent(dice, 15);
        make_columns(schema, t, dice, references);
        make_indexes(t, dice);
        t->generated = dice_percent(dice, 12) ? DICE_PICK(dice, generated) : NULL;
        t->pushes = dice_percent(dice, 15) ? dice_below(dice, schema->count) : -1;
        t->raises = dice_percent(dice, 15) && !t->column[0].late ? DICE_PICK(dice, raises) : NULL;
        t->pushing = dice_below(dice, 4);
        t->viewed = dice_percent(dice, 25);
        if (schema->uneven) {
            make_uneven(t, dice);
        }
        schema->local = schema->local || schema->uneven || t->apart;
    }
}

static void column_sql(sqlite3_str *to, const sim_schema *schema, const sim_table *t, const sim_column *c,
                       bool uneven)
{
    bool bound = uneven || !c->lone;
    sqlite3_str_appendf(to, ", %s%s%s%s", c->name, uneven && c->other ? c->other : c->affinity,
                        !bound      ? ""
                        : c->unique ? " UNIQUE"
                        : c->filled ? " NOT NULL"
                                    : "",
                        bound && (c->unique || c->filled) ? t->clause : "");
    sqlite3_str_appendall(to, c->filled ? " DEFAULT 'none'" : "");
    if (c->check && bound) {
        sqlite3_str_appendall(to, " CHECK (");
        sqlite3_str_appendf(to, c->check, c->name, c->name);
        sqlite3_str_appendall(to, ")");
    }
    if (c->parent >= 0) {
        sqlite3_str_appendf(to, " REFERENCES %s ON DELETE %s ON UPDATE %s%s", schema->table[c->parent].name,
                            t->on_delete, t->on_update, t->deferred ? " DEFERRABLE INITIALLY DEFERRED" : "");
    }
}

static void indexes_sql(sqlite3_str *to, const sim_table *t)
{
    if (t->expression) {
        sqlite3_str_appendf(to, "CREATE UNIQUE INDEX %s_expression ON %s(", t->name, t->name);
        sqlite3_str_appendf(to, t->expression, t->column[0].name);
        sqlite3_str_appendall(to, ");\n");
    }
    if (t->partial) {
        sqlite3_str_appendf(to, "CREATE UNIQUE INDEX %s_partial ON %s(c0) WHERE c0 > 1;\n", t->name, t->name);
    }
}

static void table_sql(sqlite3_str *to, const sim_schema *schema, const sim_table *t, bool uneven)
{
    static const char *const key[KINDS] = {"k TEXT DEFAULT 'd' PRIMARY KEY",
                                           "k INTEGER PRIMARY KEY",
                                           "k INTEGER PRIMARY KEY AUTOINCREMENT",
                                           "k INTEGER PRIMARY KEY",
                                           "k TEXT COLLATE NOCASE PRIMARY KEY",
                                           "k TEXT, l INT",
                                           "k, l TEXT COLLATE NOCASE",
                                           "k BLOB DEFAULT x'61' PRIMARY KEY",
                                           "k NUMERIC, l NUMERIC",
                                           "k INT, l INT",
                                           "k INTEGER PRIMARY KEY"};
    const char *of_any = t->kind == KIND_PAIR_WITHOUT_ROWID ? "k ANY, l TEXT COLLATE NOCASE"
                         : t->kind == KIND_TAG              ? "k ANY, l ANY"
                         : t->kind == KIND_LINE             ? "k ANY, l INT"
                                                            : key[t->kind];
    sqlite3_str_appendf(to, "CREATE TABLE %s(%s", t->name, t->strict ? of_any : key[t->kind]);
    for (int i = 0; i < t->count; i++) {
        if (!t->column[i].late) {
            column_sql(to, schema, t, &t->column[i], uneven);
        }
    }
    if (t->generated) {
        sqlite3_str_appendf(to, ", g%s AS %s", t->strict ? " ANY" : "", t->generated);
    }
    sqlite3_str_appendall(to, t->keys == 2 ? ", PRIMARY KEY(k, l)" : "");
    const char *first = t->column[0].name, *second = t->column[1].name;
    if (t->together && (uneven || !t->lone_indexes)) {
        sqlite3_str_appendf(to, ", UNIQUE(%s, %s)%s", first, second, t->clause);
    }
    if (t->apart && (uneven || !t->lone_apart)) {
        sqlite3_str_appendf(to, ", CHECK (%s IS NULL OR %s IS NOT %s)", first, first, second);
    }
    for (int k = 0; k < 2; k++) {
        if (t->refers[k] >= 0) {
            sqlite3_str_appendf(to, ", FOREIGN KEY(%c) REFERENCES %s ON DELETE %s ON UPDATE %s%s", "kl"[k],
                                schema -> table[t->refers[k]].name, t->key_action, t->key_action,
                                t->key_deferred ? " DEFERRABLE INITIALLY DEFERRED" : "");
        }
    }
    sqlite3_str_appendall(to, ")");
    bool without = t->kind == KIND_PAIR_WITHOUT_ROWID || t->kind == KIND_BLOB_WITHOUT_ROWID;
    bool strict = t->strict && (uneven || !t->lone_strict);
    sqlite3_str_appendf(to, "%s%s%s;\n", without ? " WITHOUT ROWID" : "", without && strict ? ", " : "",
                        strict ? " STRICT" : "");
    if (uneven || !t->lone_indexes) {
        indexes_sql(to, t);
    }
}

/* A trigger of the application's that writes into a tracked table: a row of the same key, if there is none or else failing. Only into later tables:
** with OR REPLACE two that wrote into each other would never end. */
static void trigger_sql(sqlite3_str *to, const sim_schema *schema, const sim_table *t)
{
    static const char *const when[] = {"AFTER INSERT", "AFTER INSERT", "BEFORE INSERT", "AFTER DELETE"};
    const sim_table *other = &schema->table[t->pushes];
    if (other <= t || other->keys != t->keys || other->kind >= KIND_TAG ||
        schema_is_number(other) != schema_is_number(t) || other->column[0].late) {
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

/* A view that is written to. Its column has a name of its own: that of the table may be another one for a moment. */
static void view_sql(sqlite3_str *to, const sim_table *t)
{
    const char *c = t->column[0].late ? NULL : t->column[0].name;
    const char *l = t->keys == 2 ? ", l" : "", *new_l = t->keys == 2 ? ", NEW.l" : "";
    const char *same = t->keys == 2 ? "k = OLD.k AND l = OLD.l" : "k = OLD.k";
    sqlite3_str_appendf(to, "CREATE VIEW v_%s(k%s%s) AS SELECT k%s%s%s FROM %s;\n", t->name, l,
                        c ? ", x" : "", l, c ? ", " : "", c ? c : "", t->name);
    sqlite3_str_appendf(to,
                        "CREATE TRIGGER vi_%s INSTEAD OF INSERT ON v_%s BEGIN INSERT INTO %s(k%s%s%s) "
                        "VALUES(NEW.k%s%s); END;\n",
                        t->name, t->name, t->name, l, c ? ", " : "", c ? c : "", new_l, c ? ", NEW.x" : "");
    sqlite3_str_appendf(
        to, "CREATE TRIGGER vd_%s INSTEAD OF DELETE ON v_%s BEGIN DELETE FROM %s WHERE %s; END;\n", t->name,
        t->name, t->name, same);
    if (c) {
        sqlite3_str_appendf(to,
                            "CREATE TRIGGER vu_%s INSTEAD OF UPDATE ON v_%s BEGIN UPDATE %s SET %s = NEW.x "
                            "WHERE %s; END;\n",
                            t->name, t->name, t->name, c, same);
    }
}

char *schema_sql(const sim_schema *schema, bool triggers, bool uneven)
{
    sqlite3_str *to = sqlite3_str_new(NULL);
    sqlite3_str_appendall(to, SIM_OWN_TABLES);
    for (int i = 0; i < schema->count; i++) {
        table_sql(to, schema, &schema->table[i], uneven);
        if (schema->table[i].viewed) {
            view_sql(to, &schema->table[i]);
        }
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
    return sqlite3_mprintf("ALTER TABLE %s ADD COLUMN %s%s%s%s", schema->table[table].name, c->name,
                           c->affinity, c->deflt ? " DEFAULT " : "", c->deflt ? c->deflt : "");
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
