#include "config.h"

#include "config_internal.h"
#include "config_schema_text.h"
#include "json_check.h"
#include "message.h"
#include "scratch.h"

#include <dirent.h>
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
    peer_row_rules rules;
    peer_migrate migrate;
    int64_t bytes_max; /* as in peer_config, inherited from there */
    size_t members_max;
};

/* Rooms that are kept in step with others elsewhere. */
struct peer_config_link {
    char *rooms; /* with * in it, perhaps */
    char *url;   /* ends with /NAME, or with slash and *: as the room is called */
    char *token_file, *pin, *tables;
    unsigned rights;
    bool open, primary;
};

const char *peer_config_schema(void)
{
    return config_schema_text;
}

/* ---- reading */

char *peer_config_beside(const char *config, const char *path)
{
    const char *slash = strrchr(config, '/');
    return path == NULL                    ? NULL
           : *path == '/' || slash == NULL ? peer_strdup(path)
                                           : peer_format("%.*s/%s", (int)(slash - config), config, path);
}

const char *peer_config_text(const json_t *object, const char *key)
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

unsigned peer_config_read_rights(const json_t *names)
{
    unsigned rights = names == NULL ? SYNC_RIGHT_READ | SYNC_RIGHT_WRITE : 0;
    size_t i;
    const json_t *one;
    json_array_foreach(names, i, one)
    {
        const char *word = json_string_value(one);
        rights |= strcmp(word, "read") == 0    ? SYNC_RIGHT_READ
                  : strcmp(word, "write") == 0 ? SYNC_RIGHT_WRITE
                                               : SYNC_RIGHT_PRESENCE;
    }
    return rights;
}

/* `fallback`: where the object does not say. */
static peer_migrate read_migrate(const json_t *object, peer_migrate fallback)
{
    const char *word = peer_config_text(object, "migrate");
    return word == NULL                       ? fallback
           : strcmp(word, "additive") == 0    ? PEER_MIGRATE_ADDITIVE
           : strcmp(word, "destructive") == 0 ? PEER_MIGRATE_DESTRUCTIVE
                                              : PEER_MIGRATE_NONE;
}

/* A limit of a room; not given: that of all. */
static int64_t limit_of(const json_t *rule, const char *key, int64_t common)
{
    const json_t *own = json_object_get(json_object_get(rule, "limits"), key);
    return own != NULL ? json_integer_value(own) : common;
}

static void read_row_rules(const json_t *array, peer_row_rules *to)
{
    size_t i;
    const json_t *one;
    json_array_foreach(array, i, one)
    {
        peer_row_rules_add(to, peer_config_text(one, "table"), peer_config_text(one, "read"),
                           peer_config_text(one, "write"));
    }
}

static void read_rule(const json_t *object, const peer_config *c, peer_config_rule *rule)
{
    const json_t *track = json_object_get(object, "track"), *own = json_object_get(object, "create");
    const char *word = json_string_value(track), *schema = peer_config_text(object, "schema");
    *rule = (peer_config_rule){.name = peer_strdup(peer_config_text(object, "name")),
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
    rule->rights = peer_config_read_rights(json_object_get(object, "rights"));
    read_row_rules(json_object_get(object, "rules"), &rule->rules);
    rule->migrate = read_migrate(object, c->migrate);
    rule->track_list = word == NULL && track != NULL ? list_of(track) : NULL;
}

peer_texts peer_config_texts(const json_t *array)
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

void peer_config_texts_free(peer_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        free(texts->list[i]);
    }
    free(texts->list);
}

/* Where a room is elsewhere; the caller frees it. */
static char *url_for(const char *url, const char *name)
{
    size_t bytes = strlen(url);
    return bytes > 1 && strcmp(url + bytes - 2, "/*") == 0 ? peer_format("%.*s%s", (int)bytes - 1, url, name)
                                                           : peer_strdup(url);
}

/* NULL, or what is wrong with the URL of a link, a constant. */
static const char *wrong_url(const char *text)
{
    peer_url url = {0};
    char *sample = url_for(text, "a");
    const char *wrong = peer_url_read(sample, &url);
    free(sample);
    peer_url_free(&url);
    return wrong;
}

static void add_link(peer_config *c, const json_t *link, const char *rooms, const char *url)
{
    c->upstreams[c->upstream_count++] = (peer_config_link){
        .rooms = peer_strdup(rooms),
        .url = peer_strdup(url),
        .token_file = peer_config_beside(c->path, peer_config_text(link, "tokenFile")),
        .pin = peer_strdup(peer_config_text(link, "pin")),
        .tables = json_object_get(link, "tables") != NULL ? list_of(json_object_get(link, "tables")) : NULL,
        .rights = peer_config_read_rights(json_object_get(link, "rights")),
        .open = json_is_true(json_object_get(link, "open"))};
}

/* `primary`: its URL, or that and more. False: *why. */
static bool read_links(peer_config *c, const json_t *links, const json_t *primary, char **why)
{
    size_t i;
    const json_t *one;
    c->upstreams = peer_new((json_array_size(links) + 2) * sizeof *c->upstreams);
    if (primary != NULL) {
        bool whole = json_is_object(primary);
        const char *url = whole ? peer_config_text(primary, "url") : json_string_value(primary);
        const char *wrong = wrong_url(url);
        if (wrong != NULL) {
            *why = peer_format("%s: /primary%s: %s", c->path, whole ? "/url" : "", wrong);
            return false;
        }
        add_link(c, primary, whole ? peer_config_text(primary, "rooms") : "*", url);
        c->upstreams[0].primary = true;
    }
    json_array_foreach(links, i, one)
    {
        const char *wrong = wrong_url(peer_config_text(one, "url"));
        if (wrong != NULL) {
            *why = peer_format("%s: /links/%zu/url: %s", c->path, i, wrong);
            return false;
        }
        add_link(c, one, peer_config_text(one, "rooms"), peer_config_text(one, "url"));
    }
    return true;
}

static peer_log_rules read_log(const json_t *log)
{
    const char *format = peer_config_text(log, "format"), *level = peer_config_text(log, "level");
    if (log == NULL) {
        return (peer_log_rules){0};
    }
    return (peer_log_rules){.given = true,
                            .format = strcmp(format, "json") == 0     ? PEER_LOG_JSON
                                      : strcmp(format, "logfmt") == 0 ? PEER_LOG_LOGFMT
                                                                      : PEER_LOG_TEXT,
                            .level = strcmp(level, "error") == 0   ? PEER_LOG_ERROR
                                     : strcmp(level, "event") == 0 ? PEER_LOG_EVENT
                                                                   : PEER_LOG_NOTICE};
}

/* Whether metrics are served, and where. False: *why. */
static bool read_metrics(peer_config *c, const json_t *metrics, char **why)
{
    const char *where = peer_config_text(metrics, "listen");
    c->metrics = json_is_true(metrics) || json_is_object(metrics);
    c->metrics_listen.port = -1; /* one must be given */
    if (where == NULL) {
        return true;
    }
    c->metrics_listen.host = peer_host_read(where, strlen(where), &c->metrics_listen.port);
    if (c->metrics_listen.host == NULL) {
        *why = peer_format("%s: /metrics/listen: %s is not HOST:PORT", c->path, where);
        return false;
    }
    return true;
}

static void take(peer_config *c, const json_t *root)
{
    const json_t *rooms = json_object_get(root, "rooms"), *limits = json_object_get(root, "limits"), *one;
    size_t i;
    c->name = peer_strdup(peer_config_text(root, "name"));
    c->listen = peer_config_texts(json_object_get(root, "listen"));
    c->db_folder = peer_config_beside(c->path, peer_config_text(root, "dbFolder"));
    c->schema_folder = peer_config_beside(c->path, peer_config_text(root, "schemaFolder"));
    c->cert_file = peer_config_beside(c->path, peer_config_text(json_object_get(root, "tls"), "certFile"));
    c->key_file = peer_config_beside(c->path, peer_config_text(json_object_get(root, "tls"), "keyFile"));
    c->client_cert_file = peer_config_beside(c->path, peer_config_text(root, "clientCertFile"));
    c->client_key_file = peer_config_beside(c->path, peer_config_text(root, "clientKeyFile"));
    c->ca_file = peer_config_beside(c->path, peer_config_text(root, "caFile"));
    c->log = read_log(json_object_get(root, "log"));
    c->create = json_is_true(json_object_get(root, "create"));
    c->migrate = read_migrate(root, PEER_MIGRATE_ADDITIVE);
    c->open_rooms = (size_t)json_integer_value(json_object_get(limits, "openRooms"));
    c->links = (size_t)json_integer_value(json_object_get(limits, "links"));
    c->visitors.links = (size_t)json_integer_value(json_object_get(limits, "linksPerAddress"));
    c->visitors.upgrades_per_minute =
        (size_t)json_integer_value(json_object_get(limits, "upgradesPerMinute"));
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

/* What members of a follower write goes to its primary as it came, and there nobody knows whose it is. */
static char *check_rules(const peer_config *c)
{
    bool primary = false;
    for (size_t i = 0; i < c->upstream_count; i++) {
        primary = primary || c->upstreams[i].primary;
    }
    for (size_t i = 0; primary && i < c->rule_count; i++) {
        if (c->rules[i].rules.count > 0) {
            return peer_format(
                "%s: /rooms/%zu/rules: rules for rows are for the primary's configuration, not "
                "for one with a primary",
                c->path, i);
        }
    }
    return NULL;
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
    if (!read_links(c, json_object_get(root, "links"), json_object_get(root, "primary"), why) ||
        !read_metrics(c, json_object_get(root, "metrics"), why)) {
        peer_config_free(c);
        c = NULL;
        goto done;
    }
    *why = check_rules(c);
    if (*why != NULL) {
        peer_config_free(c);
        c = NULL;
        goto done;
    }
    *why = check_folders(c);
    if (*why != NULL || !peer_auth_read(c, json_object_get(root, "auth"), why)) {
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
        peer_row_rules_free(&config->rules[i].rules);
    }
    for (size_t i = 0; i < config->upstream_count; i++) {
        free(config->upstreams[i].rooms);
        free(config->upstreams[i].url);
        free(config->upstreams[i].token_file);
        free(config->upstreams[i].pin);
        free(config->upstreams[i].tables);
    }
    free(config->upstreams);
    free(config->ca_file);
    free(config->client_cert_file);
    free(config->client_key_file);
    free(config->rules);
    peer_scratch_free(config->scratch);
    peer_auth_free(config->auth);
    free(config->path);
    free(config->name);
    peer_config_texts_free(&config->listen);
    free(config->db_folder);
    free(config->schema_folder);
    free(config->cert_file);
    free(config->key_file);
    free(config->metrics_listen.host);
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

static char *script_of(const peer_config *c, const peer_config_rule *rule, const char *name)
{
    return c->schema_folder == NULL               ? NULL
           : rule != NULL && rule->schema != NULL ? peer_format("%s/%s", c->schema_folder, rule->schema)
                                                  : peer_format("%s/%s.sql", c->schema_folder, name);
}

/* The rooms elsewhere that this one is kept in step with. */
static void add_upstreams(const peer_config *c, const char *name, peer_options *options)
{
    options->upstreams = peer_new((c->upstream_count + 1) * sizeof *options->upstreams);
    for (size_t i = 0; i < c->upstream_count; i++) {
        const peer_config_link *link = &c->upstreams[i];
        if (peer_room_fits(link->rooms, name)) {
            options->upstreams[options->upstream_count++] =
                (peer_upstream){.url = url_for(link->url, name),
                                .token_file = peer_strdup(link->token_file),
                                .pin = peer_strdup(link->pin),
                                .tables = peer_strdup(link->tables),
                                .rights = link->rights,
                                .primary = link->primary};
        }
    }
}

unsigned peer_config_rights(const peer_config *config, const char *name)
{
    const peer_config_rule *rule = rule_of(config, name);
    return rule != NULL ? rule->rights : SYNC_RIGHT_READ | SYNC_RIGHT_WRITE;
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
                              .rights = peer_config_rights(config, name),
                              .create = may_create(config, rule),
                              .schema = script_of(config, rule, name),
                              .migrate = rule != NULL ? rule->migrate : config->migrate};
    if (config->schema_folder != NULL && (rule == NULL || rule->schema == NULL)) {
        options->schema_common = peer_format("%s/default.sql", config->schema_folder);
    }
    if (rule != NULL) {
        options->track = rule->track;
        peer_row_rules_copy(&options->rules, &rule->rules);
        options->track_list = peer_strdup(rule->track_list);
        options->keep_journal_mode = rule->keep_journal_mode;
    }
    add_upstreams(config, name, options);
}

bool peer_config_keeps(const peer_config *config, const char *name)
{
    bool keeps = false;
    for (size_t i = 0; !keeps && i < config->upstream_count; i++) {
        keeps = config->upstreams[i].open && peer_room_fits(config->upstreams[i].rooms, name);
    }
    return keeps;
}

/* The room whose file an entry of the folder is; "": none. */
static void read_entry(const char *entry, char name[PEER_ROOM_NAME_MAX + 1])
{
    size_t bytes = strlen(entry);
    name[0] = 0;
    if (bytes > 3 && bytes - 3 <= PEER_ROOM_NAME_MAX && strcmp(entry + bytes - 3, ".db") == 0) {
        memcpy(name, entry, bytes - 3);
        name[bytes - 3] = 0;
    }
}

static bool each_file(const peer_config *config, bool kept, size_t entries_max, peer_config_visit *one,
                      void *context)
{
    DIR *folder = opendir(config->db_folder);
    bool more = false;
    if (folder == NULL) {
        return true; /* whoever joins is told */
    }
    for (const struct dirent *entry; !more && (entry = readdir(folder)) != NULL;) {
        char name[PEER_ROOM_NAME_MAX + 1];
        read_entry(entry->d_name, name);
        more = entries_max-- == 0 ||
               (peer_room_name_ok(name, strlen(name)) && (!kept || peer_config_keeps(config, name)) &&
                peer_config_has_room(config, name) && !one(name, context));
    }
    closedir(folder);
    return !more;
}

bool peer_config_each_file(const peer_config *config, size_t entries_max, peer_config_visit *one,
                           void *context)
{
    return each_file(config, false, entries_max, one, context);
}

void peer_config_each_kept(const peer_config *config, peer_config_visit *one, void *context)
{
    bool more = true;
    for (size_t i = 0; more && i < config->upstream_count; i++) { /* by their names: these may be made */
        const peer_config_link *link = &config->upstreams[i];
        more = !link->open || !peer_room_name_ok(link->rooms, strlen(link->rooms)) ||
               !peer_config_has_room(config, link->rooms) || one(link->rooms, context);
    }
    if (more) {
        (void)each_file(config, true, SIZE_MAX, one, context);
    }
}
