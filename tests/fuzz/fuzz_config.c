/* Configurations: one, or two with <SPLIT> between them, of which the second takes the first one's place. What is taken keeps to the schema, also
** with the defaults that were put in; whatever is asked of it has an answer within the schema's bounds. What is refused is said, with the file's
** name in front. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "config.h"
#include "config_change.h"
#include "exits.h"
#include "json_check.h"
#include "message.h"
#include "pack.h"
#include "peer_limits.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/sync-fuzz-config-XXXXXX";
static char path[128];
static const char *const inside[] = {"rooms", "schemas"};

static void clean(void)
{
    char name[160];
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, inside[i]);
        (void)rmdir(name);
    }
    snprintf(name, sizeof name, "%s/key", folder);
    (void)unlink(name);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void write_file(const char *name, const void *data, size_t bytes)
{
    FILE *file = fopen(name, "wb");
    FUZZ_CHECK(file != NULL && fwrite(data, 1, bytes, file) == bytes);
    FUZZ_CHECK(fclose(file) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char secret[] = "a secret of at least thirty-two bytes";
    char name[160];
    (void)argc;
    (void)argv;
    FUZZ_CHECK(mkdtemp(folder) != NULL && atexit(clean) == 0);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, inside[i]);
        FUZZ_CHECK(mkdir(name, 0700) == 0);
    }
    snprintf(name, sizeof name, "%s/key", folder);
    write_file(name, secret, sizeof secret - 1);
    snprintf(path, sizeof path, "%s/peer.json", folder);
    return 0;
}

/* With its defaults it is a configuration as well, and nothing is put in a second time. */
static void check_schema(const uint8_t *data, size_t bytes)
{
    json_error_t error;
    json_t *schema = json_loads(peer_config_schema(), 0, &error),
           *root = json_loadb((const char *)data, bytes, JSON_REJECT_DUPLICATES, &error);
    FUZZ_CHECK(schema != NULL && root != NULL && peer_json_schema_unknown(schema) == NULL);
    FUZZ_CHECK(peer_json_check(schema, root) == NULL);
    json_t *again = json_deep_copy(root);
    FUZZ_CHECK(again != NULL && peer_json_check(schema, again) == NULL && json_equal(root, again));
    json_decref(again);
    json_decref(root);
    json_decref(schema);
}

static void check_bounds(const peer_config *c)
{
    FUZZ_CHECK(c->open_rooms >= 1 && c->open_rooms <= 512 && c->links >= 1 && c->links <= 20000);
    FUZZ_CHECK(c->visitors.links <= 20000 && c->visitors.upgrades_per_minute <= 100000);
    FUZZ_CHECK(c->idle_us >= 0 && c->idle_us <= INT64_C(86400000000));
    FUZZ_CHECK(c->statement_s >= 1 && c->statement_s <= 86400 && c->members_max <= 20000);
    FUZZ_CHECK(c->bytes_max == 0 || (c->bytes_max >= 1048576 && c->bytes_max <= INT64_C(281474976710656)));
    FUZZ_CHECK(c->listen.count >= 1 && c->db_folder != NULL);
    FUZZ_CHECK(c->auth == NULL || c->auth->jwt || c->auth->ca_file != NULL);
    FUZZ_CHECK((c->metrics_listen.host == NULL) || (c->metrics && c->metrics_listen.port >= 0));
}

static bool count(const char *name, void *context)
{
    FUZZ_CHECK(peer_room_name_ok(name, strlen(name)));
    ++*(size_t *)context;
    return true;
}

/* Whatever is asked of a room. */
static void ask(const peer_config *c, const char *name)
{
    peer_options options;
    peer_config_room(c, name, &options);
    FUZZ_CHECK(strcmp(options.room, name) == 0 && options.file != NULL && options.folder != NULL);
    FUZZ_CHECK((options.rights & ~(unsigned)(SYNC_RIGHT_READ | SYNC_RIGHT_WRITE)) == 0 &&
               options.rights != 0);
    FUZZ_CHECK((options.track == PEER_TRACK_LIST) == (options.track_list != NULL));
    for (size_t i = 0; i < options.upstream_count; i++) {
        peer_url url = {0};
        FUZZ_CHECK(peer_url_read(options.upstreams[i].url, &url) == NULL);
        FUZZ_CHECK(!options.upstreams[i].primary || peer_options_primary(&options) == &options.upstreams[i]);
        peer_url_free(&url);
    }
    FUZZ_CHECK(peer_options_same_room(&options, &options));
    peer_options_free(&options);
    (void)peer_config_has_room(c, name);
    (void)peer_config_keeps(c, name);
    FUZZ_CHECK(peer_config_members_max(c, name) <= 20000);
}

static peer_config *read_one(const uint8_t *data, size_t bytes)
{
    char *why = NULL;
    int exit = -1;
    write_file(path, data, bytes);
    peer_config *c = peer_config_read(path, &why, &exit);
    if (c == NULL) {
        FUZZ_CHECK(why != NULL && strncmp(why, path, strlen(path)) == 0);
        FUZZ_CHECK(exit == PEER_EXIT_USAGE || exit == PEER_EXIT_MISSING);
        free(why);
        return NULL;
    }
    FUZZ_CHECK(why == NULL);
    check_schema(data, bytes);
    check_bounds(c);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const rooms[] = {"garden", "a", "notes-1", "x_y"};
    const uint8_t *split = memmem(data, bytes, FUZZ_SPLIT, sizeof FUZZ_SPLIT - 1);
    size_t first = split != NULL ? (size_t)(split - data) : bytes, kept = 0;
    char *why = NULL;
    peer_config *c = read_one(data, first), *fresh = NULL;
    if (c == NULL) {
        return 0;
    }
    FUZZ_CHECK(peer_config_begin(c, &why));
    if (split != NULL) {
        size_t before = first + sizeof FUZZ_SPLIT - 1;
        fresh = read_one(data + before, bytes - before);
    }
    if (fresh != NULL && c->scratch == NULL) { /* as a reload does */
        FUZZ_CHECK(peer_config_begin(fresh, &why));
        c->scratch = fresh->scratch;
        fresh->scratch = NULL;
    }
    if (fresh != NULL) {
        free(peer_config_keep(fresh, c, c->links, NULL));
        (void)peer_config_same_auth(c, fresh);
        peer_config_free(c);
        c = fresh;
    }
    FUZZ_CHECK(peer_config_same_auth(c, c));
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        ask(c, rooms[i]);
    }
    peer_config_each_kept(c, count, &kept);
    FUZZ_CHECK(kept <= c->upstream_count);
    peer_config_free(c);
    return 0;
}
