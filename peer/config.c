#include "config.h"

#include "config_schema_text.h"
#include "json_check.h"
#include "message.h"
#include "scratch.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct peer_config_rule {
    char *name; /* with * in it, perhaps */
    bool serve, create, keep_journal_mode, memory;
    char *schema; /* NULL: NAME.sql */
    peer_track track;
    char *track_list;
    unsigned rights;
    int64_t bytes_max; /* as in peer_config, inherited from there */
    size_t members_max;
};

const char *peer_config_schema(void)
{
    return config_schema_text;
}

/* ---- reading */

/* A path of the configuration, which is relative to its file. */
static char *beside(const char *config, const char *path)
{
    const char *slash = strrchr(config, '/');
    return path == NULL                    ? NULL
           : *path == '/' || slash == NULL ? peer_strdup(path)
                                           : peer_format("%.*s/%s", (int)(slash - config), config, path);
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Names as --track takes them: each in quotes. */
static char *list_of(const json_t *names)
{
    char *list = peer_strdup("");
    size_t i;
    const json_t *one;
    json_array_foreach(names, i, one)
    {
        const char *name = json_string_value(one);
        char *quoted = peer_new(2 * strlen(name) + 3), *to = quoted, *longer;
        *to++ = '"';
        for (; *name; name++) {
            *to++ = *name;
            if (*name == '"') {
                *to++ = '"';
            }
        }
        *to = '"';
        longer = peer_format("%s%s%s", list, i ? "," : "", quoted);
        free(quoted);
        free(list);
        list = longer;
    }
    return list;
}

static unsigned read_rights(const json_t *names)
{
    unsigned rights = names == NULL ? SYNC_RIGHT_READ | SYNC_RIGHT_WRITE : 0;
    size_t i;
    const json_t *one;
    json_array_foreach(names, i, one)
    {
        rights |= strcmp(json_string_value(one), "read") == 0 ? SYNC_RIGHT_READ : SYNC_RIGHT_WRITE;
    }
    return rights;
}

/* A limit of a room; not given: that of all. */
static int64_t limit_of(const json_t *rule, const char *key, int64_t common)
{
    const json_t *own = json_object_get(json_object_get(rule, "limits"), key);
    return own != NULL ? json_integer_value(own) : common;
}

static void read_rule(const json_t *object, const peer_config *c, peer_config_rule *rule)
{
    const json_t *track = json_object_get(object, "track"), *own = json_object_get(object, "create");
    const char *word = json_string_value(track), *schema = text_at(object, "schema");
    *rule = (peer_config_rule){.name = peer_strdup(text_at(object, "name")),
                               .serve = json_is_true(json_object_get(object, "serve")),
                               .create = own != NULL ? json_is_true(own) : c->create,
                               .keep_journal_mode = json_is_true(json_object_get(object, "keepJournalMode")),
                               .memory = json_is_true(json_object_get(object, "memory")),
                               .schema = peer_strdup(schema)};
    rule->track = track == NULL              ? PEER_TRACK_UNSAID
                  : word == NULL             ? PEER_TRACK_LIST
                  : strcmp(word, "all") == 0 ? PEER_TRACK_ALL
                                             : PEER_TRACK_NONE;
    rule->bytes_max = limit_of(object, "maxBytes", c->bytes_max);
    rule->members_max = (size_t)limit_of(object, "maxMembers", (int64_t)c->members_max);
    rule->rights = read_rights(json_object_get(object, "rights"));
    rule->track_list = word == NULL && track != NULL ? list_of(track) : NULL;
}

/* Of an array of texts, or of one. */
static peer_texts read_texts(const json_t *array)
{
    peer_texts texts = {.list = peer_new((json_array_size(array) + 1) * sizeof *texts.list)};
    size_t i;
    const json_t *one;
    if (json_is_string(array)) {
        texts.list[texts.count++] = peer_strdup(json_string_value(array));
    }
    json_array_foreach(array, i, one)
    {
        texts.list[texts.count++] = peer_strdup(json_string_value(one));
    }
    return texts;
}

static void free_texts(peer_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        free(texts->list[i]);
    }
    free(texts->list);
}

/* Who may join: with the keys, which are read now. False: *why. */
static bool read_auth(peer_config *c, const json_t *auth, char **why)
{
    const json_t *jwt = json_object_get(auth, "jwt");
    if (auth == NULL) {
        return true;
    }
    peer_algorithm algorithm = PEER_HS256;
    while (strcmp(peer_algorithm_name(algorithm), text_at(jwt, "algorithm")) != 0) {
        algorithm++; /* it is one of them: the schema says so */
    }
    c->auth = peer_new(sizeof *c->auth);
    c->auth->hosts = read_texts(json_object_get(auth, "hosts"));
    c->auth->origins = read_texts(json_object_get(auth, "origins"));
    c->auth->tokens =
        (peer_token_rules){.audience = peer_strdup(text_at(jwt, "audience")),
                           .issuer = peer_strdup(text_at(jwt, "issuer")),
                           .leeway_s = json_integer_value(json_object_get(jwt, "leewaySeconds"))};
    char *file = beside(c->path, text_at(jwt, "keyFile")), *wrong = NULL;
    bool good = peer_keys_read(&c->auth->tokens.keys, algorithm, file, &wrong);
    if (!good) {
        *why = peer_format("%s: /auth/jwt/keyFile: %s", c->path, wrong);
    }
    free(wrong);
    free(file);
    return good;
}

static void take(peer_config *c, const json_t *root)
{
    const json_t *rooms = json_object_get(root, "rooms"), *limits = json_object_get(root, "limits"), *one;
    size_t i;
    c->listen = read_texts(json_object_get(root, "listen"));
    c->db_folder = beside(c->path, text_at(root, "dbFolder"));
    c->schema_folder = beside(c->path, text_at(root, "schemaFolder"));
    c->cert_file = beside(c->path, text_at(json_object_get(root, "tls"), "certFile"));
    c->key_file = beside(c->path, text_at(json_object_get(root, "tls"), "keyFile"));
    c->create = json_is_true(json_object_get(root, "create"));
    c->open_rooms = (size_t)json_integer_value(json_object_get(limits, "openRooms"));
    c->links = (size_t)json_integer_value(json_object_get(limits, "links"));
    c->idle_us = json_integer_value(json_object_get(limits, "idleSeconds")) * 1000000;
    c->statement_s = json_integer_value(json_object_get(limits, "statementSeconds"));
    c->bytes_max = json_integer_value(json_object_get(limits, "maxBytes"));
    c->members_max = (size_t)json_integer_value(json_object_get(limits, "maxMembers"));
    c->rule_count = json_array_size(rooms);
    c->rules = peer_new((c->rule_count + 1) * sizeof *c->rules);
    json_array_foreach(rooms, i, one)
    {
        read_rule(one, c, &c->rules[i]);
    }
}

static bool is_folder(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return false;
    }
    errno = ENOTDIR;
    return S_ISDIR(st.st_mode);
}

static char *check_folders(const peer_config *c)
{
    if (!is_folder(c->db_folder)) {
        return peer_format("%s: /dbFolder: %s: %s", c->path, c->db_folder, strerror(errno));
    }
    if (c->schema_folder != NULL && !is_folder(c->schema_folder)) {
        return peer_format("%s: /schemaFolder: %s: %s", c->path, c->schema_folder, strerror(errno));
    }
    return NULL;
}

static json_t *load(const char *path, char **why, int *exit)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        *exit = error.line < 1 ? PEER_EXIT_MISSING : PEER_EXIT_USAGE;
        *why = error.line < 1 ? peer_format("%s: %s", path, error.text)
                              : peer_format("%s:%d:%d: %s", path, error.line, error.column, error.text);
    }
    return root;
}

peer_config *peer_config_read(const char *path, char **why, int *exit)
{
    json_error_t error;
    json_t *schema = json_loads(config_schema_text, 0, &error), *root = load(path, why, exit);
    peer_config *c = NULL;
    if (schema == NULL || root == NULL) {
        *exit = root != NULL ? PEER_EXIT_ERROR : *exit;
        *why = root != NULL ? peer_strdup("out of memory") : *why;
        goto done;
    }
    *exit = PEER_EXIT_USAGE;
    char *wrong = peer_json_check(schema, root);
    if (wrong != NULL) {
        *why = peer_format("%s: %s", path, wrong);
        free(wrong);
        goto done;
    }
    c = peer_new(sizeof *c);
    c->path = peer_strdup(path);
    take(c, root);
    *why = check_folders(c);
    if (*why != NULL || !read_auth(c, json_object_get(root, "auth"), why)) {
        *exit = PEER_EXIT_MISSING;
        peer_config_free(c);
        c = NULL;
    }
done:
    json_decref(schema);
    json_decref(root);
    return c;
}

void peer_config_free(peer_config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < config->rule_count; i++) {
        free(config->rules[i].name);
        free(config->rules[i].schema);
        free(config->rules[i].track_list);
    }
    free(config->rules);
    peer_scratch_free(config->scratch);
    if (config->auth != NULL) {
        free_texts(&config->auth->hosts);
        free_texts(&config->auth->origins);
        peer_token_rules_free(&config->auth->tokens);
        free(config->auth);
    }
    free(config->path);
    free_texts(&config->listen);
    free(config->db_folder);
    free(config->schema_folder);
    free(config->cert_file);
    free(config->key_file);
    free(config);
}

/* ---- asking */

static const peer_config_rule *rule_of(const peer_config *c, const char *name)
{
    for (size_t i = 0; i < c->rule_count; i++) {
        if (peer_room_fits(c->rules[i].name, name)) {
            return &c->rules[i];
        }
    }
    return NULL;
}

static bool may_create(const peer_config *c, const peer_config_rule *rule)
{
    return rule != NULL ? rule->create || rule->memory : c->create;
}

static const char *folder_of(const peer_config *c, const peer_config_rule *rule)
{
    return rule != NULL && rule->memory ? c->scratch : c->db_folder;
}

static char *file_of(const peer_config *c, const peer_config_rule *rule, const char *name)
{
    return peer_format("%s/%s.db", folder_of(c, rule), name);
}

bool peer_config_begin(peer_config *config, char **why)
{
    bool any = false;
    for (size_t i = 0; i < config->rule_count; i++) {
        any = any || config->rules[i].memory;
    }
    config->scratch = any ? peer_scratch_new(why) : NULL;
    return config->scratch != NULL || !any;
}

bool peer_config_has_room(const peer_config *config, const char *name)
{
    const peer_config_rule *rule = rule_of(config, name);
    if (rule != NULL && !rule->serve) {
        return false;
    }
    char *file = file_of(config, rule, name);
    bool has = may_create(config, rule) || access(file, F_OK) == 0;
    free(file);
    return has;
}

/* The script that makes the tables of a new file; NULL: there is none. */
static char *schema_of(const peer_config *c, const peer_config_rule *rule, const char *name)
{
    if (c->schema_folder == NULL) {
        return NULL;
    }
    if (rule != NULL && rule->schema != NULL) {
        return peer_format("%s/%s", c->schema_folder, rule->schema);
    }
    char *own = peer_format("%s/%s.sql", c->schema_folder, name);
    if (access(own, F_OK) == 0) {
        return own;
    }
    free(own);
    char *common = peer_format("%s/default.sql", c->schema_folder);
    if (access(common, F_OK) == 0) {
        return common;
    }
    free(common);
    return NULL;
}

size_t peer_config_members_max(const peer_config *config, const char *name)
{
    const peer_config_rule *rule = rule_of(config, name);
    return rule != NULL ? rule->members_max : config->members_max;
}

void peer_config_room(const peer_config *config, const char *name, peer_options *options)
{
    const peer_config_rule *rule = rule_of(config, name);
    *options = (peer_options){.command = PEER_SERVE,
                              .file = file_of(config, rule, name),
                              .folder = peer_strdup(folder_of(config, rule)),
                              .bytes_max = rule != NULL ? rule->bytes_max : config->bytes_max,
                              .statement_s = config->statement_s,
                              .room = peer_strdup(name),
                              .rights = rule != NULL ? rule->rights : SYNC_RIGHT_READ | SYNC_RIGHT_WRITE,
                              .create = may_create(config, rule),
                              .schema = schema_of(config, rule, name)};
    if (rule != NULL) {
        options->track = rule->track;
        options->track_list = peer_strdup(rule->track_list);
        options->keep_journal_mode = rule->keep_journal_mode;
    }
}
