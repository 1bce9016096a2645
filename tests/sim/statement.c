/* Random statements. */
#include "schema.h"

#include <string.h>

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
        return DICE_PICK(dice, small);
    }
    if (schema_is_number(t)) {
        return DICE_PICK(dice, number);
    }
    if (t->kind == KIND_BLOB_WITHOUT_ROWID) {
        return DICE_PICK(dice, blob);
    }
    if (t->kind == KIND_PAIR_WITHOUT_ROWID) {
        return part == 0 ? DICE_PICK(dice, any) : DICE_PICK(dice, text);
    }
    return part == 0 ? DICE_PICK(dice, text) : DICE_PICK(dice, small);
}

static void put_value(sqlite3_str *to, const sim_schema *schema, const sim_column *c, sim_dice *dice,
                      unsigned *token)
{
    static const char *const few[] = {"NULL", "1", "2", "'u'", "'v'", "'U'"};
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
    if (c->unique || c->few || dice_percent(dice, 15)) {
        sqlite3_str_appendall(to, DICE_PICK(dice, few));
        return;
    }
    if (dice_percent(dice, 15)) {
        sqlite3_str_appendall(to, DICE_PICK(dice, odd));
        return;
    }
    static const char *const tokens[] = {"'w%u'", "1%05u", "%u.5", "x'0%05u'"};
    ++*token;
    if (dice_percent(dice, 2)) {
        sqlite3_str_appendf(to, "'w%u' || printf('%%.*c', 3000, 'z')", *token);
    } else if (c->typed && strcmp(c->affinity, " ANY") != 0) {
        const char *fits = c->affinity[1] == 'T'   ? tokens[0]
                           : c->affinity[1] == 'I' ? tokens[1]
                           : c->affinity[1] == 'R' ? tokens[2]
                                                   : tokens[3];
        sqlite3_str_appendf(to, fits, *token);
    } else {
        sqlite3_str_appendf(to, DICE_PICK(dice, tokens), *token);
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
    return DICE_PICK(dice, words);
}

static void put_key_change(sqlite3_str *to, const sim_schema *schema, const sim_table *t, sim_dice *dice)
{
    if (schema_is_number(t) && dice_percent(dice, 20)) {
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

/* Through the view of the table, whose triggers do it. */
static void put_by_view(sqlite3_str *to, const sim_schema *schema, const sim_table *t, const char *word,
                        sim_dice *dice, unsigned *token)
{
    const sim_column *c = t->column[0].late ? NULL : &t->column[0];
    int kind = dice_below(dice, c ? 3 : 2);
    if (kind == 0) {
        sqlite3_str_appendf(to, "DELETE FROM v_%s", t->name);
        put_where(to, schema, t, dice);
    } else if (kind == 1) {
        bool numbered = schema_is_number(t) && dice_percent(dice, 30);
        sqlite3_str_appendf(to, "INSERT%s INTO v_%s(k%s%s) VALUES(%s", word, t->name,
                            t->keys == 2 ? ", l" : "", c ? ", x" : "",
                            numbered ? "NULL" : key_part(schema, t, 0, dice));
        sqlite3_str_appendf(to, t->keys == 2 ? ", %s" : "", key_part(schema, t, 1, dice));
        if (c) {
            sqlite3_str_appendall(to, ", ");
            put_value(to, schema, c, dice, token);
        }
        sqlite3_str_appendall(to, ")");
    } else {
        sqlite3_str_appendf(to, "UPDATE%s v_%s SET x = ", word, t->name);
        put_value(to, schema, c, dice, token);
        put_where(to, schema, t, dice);
    }
}

sim_statement schema_statement(const sim_schema *schema, bool late[SIM_TABLES][SIM_COLUMNS],
                               const bool *tracked, sim_dice *dice, unsigned *token)
{
    sim_statement s = {.table = dice_below(dice, schema->count)};
    const sim_table *t = &schema->table[s.table];
    sim_choice chosen = some_columns(t, late[s.table], dice);
    sqlite3_str *to = sqlite3_str_new(NULL);
    const char *word = conflict_word(dice);
    if (strcmp(word, " OR FAIL") == 0 && t->pushes >= 0) {
        word = ""; /* a trigger that was made anew by sync_alter may fail before ours have run */
    }
    if (strcmp(word, " OR REPLACE") == 0 && schema_is_strict_number(t) && !tracked[s.table]) {
        word = "";
    }
    int kind = dice_below(dice, 100);
    /* A row that comes and goes within one statement would not be seen by whoever looks before and after it. */
    s.rewrites = strcmp(word, " OR REPLACE") == 0 || strstr(t->clause, "REPLACE");
    bool several = !s.rewrites, returns = false;
    if (t->viewed && dice_percent(dice, 20)) {
        put_by_view(to, schema, t, word, dice, token);
    } else if (kind < 30 && chosen.count > 0) {
        sqlite3_str_appendf(to, "UPDATE%s %s SET ", word, t->name);
        put_set(to, schema, t, &chosen, dice, token);
        if (kind > 2) {
            put_where(to, schema, t, dice);
        }
        returns = true;
    } else if (kind < 40) {
        sqlite3_str_appendf(to, "DELETE FROM %s", t->name);
        if (kind > 30 || dice_percent(dice, 50)) {
            put_where(to, schema, t, dice);
        }
        returns = true;
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
    } else if (kind < 66 && schema_is_number(t) && chosen.count > 0) {
        sqlite3_str_appendf(to, "INSERT%s", word);
        put_insert(to, schema, t, &chosen, false, several, dice, token);
    } else if (kind < 68 && schema_is_number(t)) {
        sqlite3_str_appendf(to, "INSERT OR IGNORE INTO %s(k) SELECT k + 1 FROM %s", t->name, t->name);
    } else if (kind < 70) {
        put_of_another(to, schema, t, dice);
    } else if (kind < 71 && schema_fills_key(t)) {
        sqlite3_str_appendf(to, "INSERT%s INTO %s DEFAULT VALUES", word, t->name);
    } else {
        sqlite3_str_appendf(to, "INSERT%s", word);
        put_insert(to, schema, t, &chosen, true, several, dice, token);
    }
    sqlite3_str_appendall(to, returns && dice_percent(dice, 15) ? " RETURNING *" : "");
    s.sql = sqlite3_str_finish(to);
    return s;
}
