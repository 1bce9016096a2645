/* The command line. */
#include "options.h"

#include "commands.h"
#include "config.h"
#include "frame.h"
#include "log.h"
#include "message.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPTION_LISTEN = 256,
    OPTION_TRACK,
    OPTION_ROOM,
    OPTION_FOLLOW,
    OPTION_CONFIG,
    OPTION_TOKEN_FILE,
    OPTION_TABLES,
    OPTION_CA_FILE,
    OPTION_PIN,
    OPTION_CERT_FILE,
    OPTION_KEY_FILE,
    OPTION_CLIENT_CERT_FILE,
    OPTION_CLIENT_KEY_FILE,
    OPTION_RECEIVE_ONLY,
    OPTION_SEND_ONLY,
    OPTION_SCHEMA,
    OPTION_ONCE,
    OPTION_JSON,
    OPTION_NO_WAL,
    OPTION_QUIET,
    OPTION_HELP,
    OPTION_VERSION
};

enum { USAGE_BYTES = 800 };

static const struct option known[] = {{"listen", required_argument, NULL, OPTION_LISTEN},
                                      {"track", required_argument, NULL, OPTION_TRACK},
                                      {"room", required_argument, NULL, OPTION_ROOM},
                                      {"follow", required_argument, NULL, OPTION_FOLLOW},
                                      {"config", required_argument, NULL, OPTION_CONFIG},
                                      {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
                                      {"tables", required_argument, NULL, OPTION_TABLES},
                                      {"ca-file", required_argument, NULL, OPTION_CA_FILE},
                                      {"pin", required_argument, NULL, OPTION_PIN},
                                      {"cert-file", required_argument, NULL, OPTION_CERT_FILE},
                                      {"key-file", required_argument, NULL, OPTION_KEY_FILE},
                                      {"client-cert-file", required_argument, NULL, OPTION_CLIENT_CERT_FILE},
                                      {"client-key-file", required_argument, NULL, OPTION_CLIENT_KEY_FILE},
                                      {"receive-only", no_argument, NULL, OPTION_RECEIVE_ONLY},
                                      {"send-only", no_argument, NULL, OPTION_SEND_ONLY},
                                      {"schema", no_argument, NULL, OPTION_SCHEMA},
                                      {"once", no_argument, NULL, OPTION_ONCE},
                                      {"json", no_argument, NULL, OPTION_JSON},
                                      {"no-wal", no_argument, NULL, OPTION_NO_WAL},
                                      {"quiet", no_argument, NULL, OPTION_QUIET},
                                      {"help", no_argument, NULL, OPTION_HELP},
                                      {"version", no_argument, NULL, OPTION_VERSION},
                                      {NULL, 0, NULL, 0}};

static const char help_before[] =
    "sync-peer keeps SQLite files in step with each other.\n"
    "\n"
    "  sync-peer serve FILE [--listen HOST[:PORT]] [--room NAME] [--follow URL]... [--track WHAT]\n"
    "        offer FILE as a room (default 127.0.0.1:7420; port 0 takes a free one)\n"
    "  sync-peer serve --config CONFIG [--listen HOST[:PORT]]\n"
    "        offer the files of a folder, each as a room of its own, as a JSON file says\n"
    "  sync-peer check-config CONFIG\n"
    "        say what is wrong with that file, if anything is; --schema: print what it has to keep to\n"
    "  sync-peer sync FILE URL... [--once] [--track WHAT]\n"
    "        keep FILE in step with the rooms at URL, both ways, until stopped\n"
    "  sync-peer clone URL FILE\n"
    "        make FILE: the schema of the room's tracked tables, their rows, an identity of its own\n"
    "\n";

static const char help_behind[] =
    "URL is ws://HOST[:PORT]/ROOM, or wss:// with TLS.\n"
    "\n"
    "  --track all|none|T1,T2  adopt these tables first (default: all, if FILE tracks none yet);\n"
    "                 a name with a comma in double quotes: '\"a,b\",c'\n"
    "  --room NAME    the room's name: a-z 0-9 _ -, at most 64 (default: from FILE's name)\n"
    "  --tables LIST  exchange only these, over these URLs: names, by commas\n"
    "  --token-file F the token that the other sides want to see (JWT), read at each attempt\n"
    "  --ca-file F    trust these certificates at wss:// URLs, in place of the system's\n"
    "  --pin SHA256   and of all that are trusted only the one with this key (64 hexadecimal digits)\n"
    "  --cert-file F, --key-file F  serve with TLS: the certificate with its chain, and its key\n"
    "  --client-cert-file F, --client-key-file F  show this certificate where a wss:// URL asks for one\n"
    "  --follow URL   also keep in step with that room; may be repeated\n"
    "  --receive-only take what others write, and give nothing\n"
    "  --send-only    give what is written here, and take nothing\n"
    "  --once         end as soon as both sides hold the same\n"
    "  --no-wal       leave the file's journal mode alone (default: switch it to WAL)\n"
    "  --json         events on stdout, one JSON object per line\n"
    "  --quiet        errors only\n"
    "  --help, --version\n"
    "\n"
    "Exit codes:\n"
    "   0 done; without --once: stopped              1 another error\n"
    "   2 wrong usage or malformed URL               3 no such file (clone: it exists, or its directory does "
    "not)\n"
    "   4 not a SQLite database, or damaged          5 the file cannot be written\n"
    "   6 another program keeps the file locked      7 the disk is full\n"
    "   8 not reachable, or the address is taken     9 refused by the other side\n"
    "  10 written or spoken by a newer version      11 a table does not fit\n"
    "  12 the file was replaced, deleted, emptied   13 stopped before it was done (clone, --once, on files)\n"
    "  14 verify: the files differ\n";

static bool usage(int *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool usage(int *code, const char *format, ...)
{
    va_list arguments;
    char text[USAGE_BYTES];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    peer_error(PEER_EXIT_USAGE, "%s; see sync-peer --help", text);
    *code = PEER_EXIT_USAGE;
    return false;
}

void peer_options_tell(bool help)
{
    if (!help) {
        puts("sync-peer " SYNC_PROGRAM_VERSION);
        return;
    }
    fputs(help_before, stdout);
    fputs(peer_command_help(), stdout);
    fputs(help_behind, stdout);
}

const peer_upstream *peer_options_primary(const peer_options *o)
{
    for (size_t i = 0; i < o->upstream_count; i++) {
        if (o->upstreams[i].primary) {
            return &o->upstreams[i];
        }
    }
    return NULL;
}

void peer_options_free(peer_options *o)
{
    for (size_t i = 0; i < o->url_count; i++) {
        peer_url_free(&o->urls[i]);
    }
    for (size_t i = 0; i < o->upstream_count; i++) {
        free(o->upstreams[i].url);
        free(o->upstreams[i].token_file);
        free(o->upstreams[i].pin);
        free(o->upstreams[i].tables);
    }
    free(o->upstreams);
    free(o->file);
    free(o->room);
    for (size_t i = 0; i < o->listen_count; i++) {
        free(o->listen[i].host);
    }
    peer_row_rules_free(&o->rules);
    free(o->track_list);
    free(o->schema);
    free(o->schema_common);
    free(o->folder);
    free(o->token_file);
    free(o->tables);
    free(o->ca_file);
    free(o->pin);
    free(o->cert_file);
    free(o->key_file);
    free(o->client_ca_file);
    free(o->client_cert_file);
    free(o->client_key_file);
    peer_config_free(o->config);
    *o = (peer_options){0};
}

static bool add_url(peer_options *o, const char *text, int *code)
{
    if (o->url_count == PEER_FOLLOW_MAX) {
        return usage(code, "more than %d URLs", PEER_FOLLOW_MAX);
    }
    const char *wrong = peer_url_read(text, &o->urls[o->url_count]);
    if (wrong != NULL) {
        return usage(code, "%s is no URL of a room: %s", text, wrong);
    }
    o->url_count++;
    return true;
}

char *peer_track_next(const char **list)
{
    const char *at = *list;
    if (at == NULL) {
        return NULL;
    }
    char *name = peer_new(strlen(at) + 1);
    size_t bytes = 0;
    const bool quoted = *at == '"';
    for (at += quoted; *at != 0 && (quoted || *at != ','); at++) {
        if (quoted && *at == '"' && *++at != '"') {
            break;
        }
        name[bytes++] = *at;
    }
    at += strcspn(at, ",");
    *list = *at == ',' ? at + 1 : NULL;
    return name;
}

/* Does every quote have its end, with a comma or nothing behind it, and is no name empty? */
static bool is_track_list(const char *text)
{
    for (bool more = true; more;) {
        if (*text == 0 || *text == ',' || strcmp(text, "\"\"") == 0 || strncmp(text, "\"\",", 3) == 0) {
            return false;
        }
        if (*text == '"') {
            do {
                text = strchr(text + 1, '"');
                text = text != NULL ? text + 1 : NULL;
            } while (text != NULL && *text == '"');
            if (text == NULL || (*text != 0 && *text != ',')) {
                return false;
            }
        }
        text += strcspn(text, ",");
        more = *text == ',';
        text += more;
    }
    return true;
}

static void set_track(peer_options *o, const char *text)
{
    o->track = strcmp(text, "all") == 0    ? PEER_TRACK_ALL
               : strcmp(text, "none") == 0 ? PEER_TRACK_NONE
                                           : PEER_TRACK_LIST;
    free(o->track_list);
    o->track_list = peer_strdup(text);
}

static bool add_listen(peer_options *o, const char *where, const char *text, int *code)
{
    if (o->listen_count == PEER_LISTEN_MAX) {
        return usage(code, "%s %s is more than the %d addresses that can be listened on", where, text,
                     PEER_LISTEN_MAX);
    }
    peer_address *to = &o->listen[o->listen_count];
    to->port = PEER_PORT_DEFAULT;
    to->host = peer_host_read(text, strlen(text), &to->port);
    if (to->host == NULL) {
        return usage(code, "%s %s is not HOST[:PORT]", where, text);
    }
    o->listen_count++;
    /* A number alone would be taken for an address (7420 is 0.0.28.252), where a port was meant. */
    bool number = strspn(to->host, "0123456789") == strlen(to->host);
    return !number || usage(code, "%s %s is not HOST[:PORT]", where, text);
}

/* A configuration takes the place of the file and of what would be said of it. */
static bool read_config(peer_options *o, const char *path, int *code)
{
    char *why = NULL;
    o->config = peer_config_read(path, &why, code);
    if (o->config == NULL) {
        peer_error(*code, "%s", why);
        free(why);
        return false;
    }
    bool good = true, given = o->listen_count > 0;
    for (size_t i = 0; good && !given && i < o->config->listen.count; i++) {
        char *where = o->config->listen.count > 1 ? peer_format("%s: /listen/%zu:", path, i)
                                                  : peer_format("%s: /listen:", path);
        good = add_listen(o, where, o->config->listen.list[i], code);
        free(where);
    }
    if (o->cert_file == NULL && o->key_file == NULL) {
        o->cert_file = peer_strdup(o->config->cert_file);
        o->key_file = peer_strdup(o->config->key_file);
    }
    o->ca_file = o->ca_file != NULL ? o->ca_file : peer_strdup(o->config->ca_file);
    if (o->client_cert_file == NULL && o->client_key_file == NULL) {
        o->client_cert_file = peer_strdup(o->config->client_cert_file);
        o->client_key_file = peer_strdup(o->config->client_key_file);
    }
    o->client_ca_file = o->config->auth != NULL ? peer_strdup(o->config->auth->ca_file) : NULL;
    return good;
}

static bool set_room(peer_options *o, const char *text, int *code)
{
    if (!peer_room_name_ok(text, strlen(text))) {
        return usage(code, "'%s' is no room name (a-z 0-9 _ -, at most 64, first a letter or digit)", text);
    }
    free(o->room);
    o->room = peer_strdup(text);
    return true;
}

/* The long option that `text` names in full; NULL: none. */
static const struct option *find_option(const char *text)
{
    size_t bytes = strcspn(text, "=");
    for (const struct option *o = known; o->name != NULL; o++) {
        if (strncmp(text, "--", 2) == 0 && strlen(o->name) == bytes - 2 &&
            memcmp(text + 2, o->name, bytes - 2) == 0) {
            return o;
        }
    }
    return NULL;
}

/* What getopt_long takes for an option, but should not: `text` as it was typed. It knows long ones by their first letters too, which would
** change their meaning when there are more. */
static bool refuse_option(int option, const char *text, int *code)
{
    bool is_short = optopt > 0 && optopt < OPTION_LISTEN;
    if (is_short) {
        return usage(code, option == ':' ? "-%c lacks its value" : "-%c is no option", optopt);
    }
    if (find_option(text) == NULL) {
        return usage(code, "%s is no option", text);
    }
    return option == ':' ? usage(code, "%s lacks its value", text)
                         : usage(code, "%.*s takes no value", (int)strcspn(text, "="), text);
}

static bool set_text(char **to, const char *text)
{
    free(*to);
    *to = peer_strdup(text);
    return true;
}

enum {
    SERVE = 1 << PEER_SERVE,
    SYNC = 1 << PEER_SYNC,
    CLONE = 1 << PEER_CLONE,
    CHECK = 1 << PEER_CHECK_CONFIG
};

/* Options that not all commands have. */
static const struct {
    int option, commands;
    const char *text;
} belongings[] = {
    {OPTION_LISTEN, SERVE, "--listen belongs to serve"},
    {OPTION_ROOM, SERVE, "--room belongs to serve"},
    {OPTION_FOLLOW, SERVE, "--follow belongs to serve"},
    {OPTION_CONFIG, SERVE, "--config belongs to serve"},
    {OPTION_CERT_FILE, SERVE, "--cert-file belongs to serve"},
    {OPTION_KEY_FILE, SERVE, "--key-file belongs to serve"},
    {OPTION_ONCE, SYNC, "--once belongs to sync"},
    {OPTION_TRACK, SERVE | SYNC, "--track belongs to serve and sync"},
    {OPTION_SEND_ONLY, SERVE | SYNC, "--send-only belongs to serve and sync"},
    {OPTION_RECEIVE_ONLY, SERVE | SYNC | CLONE, "--receive-only belongs to serve, sync and clone"},
    {OPTION_NO_WAL, SERVE | SYNC | CLONE, "--no-wal belongs to serve, sync and clone"},
    {OPTION_TOKEN_FILE, SERVE | SYNC | CLONE, "--token-file belongs to serve, sync and clone"},
    {OPTION_TABLES, SERVE | SYNC, "--tables belongs to serve and sync"},
    {OPTION_CA_FILE, SERVE | SYNC | CLONE, "--ca-file belongs to serve, sync and clone"},
    {OPTION_PIN, SERVE | SYNC | CLONE, "--pin belongs to serve, sync and clone"},
    {OPTION_CLIENT_CERT_FILE, SERVE | SYNC | CLONE, "--client-cert-file belongs to serve, sync and clone"},
    {OPTION_CLIENT_KEY_FILE, SERVE | SYNC | CLONE, "--client-key-file belongs to serve, sync and clone"},
    {OPTION_SCHEMA, CHECK, "--schema belongs to check-config"}};

/* One option of getopt_long. */
static bool take_option(peer_options *o, int option, int *code)
{
    for (size_t i = 0; i < sizeof belongings / sizeof *belongings; i++) {
        if (belongings[i].option == option && (belongings[i].commands & 1 << o->command) == 0) {
            return usage(code, "%s", belongings[i].text);
        }
    }
    switch (option) {
    case OPTION_LISTEN:
        return add_listen(o, "--listen", optarg, code);
    case OPTION_ROOM:
        return set_room(o, optarg, code);
    case OPTION_FOLLOW:
        return add_url(o, optarg, code);
    case OPTION_CONFIG:
        o->configured = true;
        return set_text(&o->file, optarg);
    case OPTION_TOKEN_FILE:
        return set_text(&o->token_file, optarg);
    case OPTION_CA_FILE:
        return set_text(&o->ca_file, optarg);
    case OPTION_PIN:
        return (peer_pin_ok(optarg) && set_text(&o->pin, optarg)) ||
               usage(code, "--pin %s is not 64 hexadecimal digits", optarg);
    case OPTION_CERT_FILE:
        return set_text(&o->cert_file, optarg);
    case OPTION_KEY_FILE:
        return set_text(&o->key_file, optarg);
    case OPTION_CLIENT_CERT_FILE:
        return set_text(&o->client_cert_file, optarg);
    case OPTION_CLIENT_KEY_FILE:
        return set_text(&o->client_key_file, optarg);
    case OPTION_RECEIVE_ONLY:
        o->rights &= ~(unsigned)SYNC_RIGHT_READ;
        return true;
    case OPTION_SEND_ONLY:
        o->rights &= ~(unsigned)SYNC_RIGHT_WRITE;
        return true;
    case OPTION_SCHEMA:
        fputs(peer_config_schema(), stdout);
        *code = PEER_EXIT_OK;
        return false;
    case OPTION_TABLES:
        return (set_text(&o->tables, optarg) && is_track_list(optarg)) ||
               usage(code, "--tables %s: a name is empty, or a quote has no end", optarg);
    case OPTION_TRACK:
        set_track(o, optarg);
        return is_track_list(optarg) ||
               usage(code, "--track %s: a name is empty, or a quote has no end", optarg);
    case OPTION_ONCE:
        o->once = true;
        return true;
    case OPTION_JSON:
        o->json = true;
        return true;
    case OPTION_NO_WAL:
        o->keep_journal_mode = true;
        return true;
    case 'q':
    case OPTION_QUIET:
        o->quiet = true;
        return true;
    case 'h':
    case OPTION_HELP:
        peer_options_tell(true);
        *code = PEER_EXIT_OK;
        return false;
    default: /* OPTION_VERSION */
        peer_options_tell(false);
        *code = PEER_EXIT_OK;
        return false;
    }
}

static bool take_config(peer_options *o, int left, int *code)
{
    bool alone = left == 0 && o->room == NULL && o->url_count == 0 && o->track == PEER_TRACK_UNSAID &&
                 !o->keep_journal_mode && o->rights == (SYNC_RIGHT_READ | SYNC_RIGHT_WRITE);
    return alone ? read_config(o, o->file, code)
                 : usage(code, "--config takes the place of FILE, --room, --follow, --track, --no-wal, "
                               "--receive-only and --send-only");
}

/* check-config: what is wrong has been said, or that nothing is. */
static bool check_config(peer_options *o, int left, const char *path, int *code)
{
    if (left != 1) {
        return usage(code, "check-config needs one CONFIG");
    }
    if (read_config(o, path, code)) {
        peer_notice("%s is good: rooms of %s", path, o->config->db_folder);
        *code = PEER_EXIT_OK;
    }
    return false;
}

bool peer_options_check_tls(const peer_options *o, int *code)
{
    bool any = false;
    for (size_t i = 0; i < o->url_count; i++) {
        any = any || o->urls[i].tls;
    }
    if ((o->cert_file == NULL) != (o->key_file == NULL)) {
        return usage(code, "--cert-file and --key-file need each other");
    }
    if ((o->client_cert_file == NULL) != (o->client_key_file == NULL)) {
        return usage(code, "--client-cert-file and --client-key-file need each other");
    }
    return any || o->config != NULL ||
           (o->ca_file == NULL && o->pin == NULL && o->client_cert_file == NULL) ||
           usage(code, "--ca-file, --pin and --client-cert-file are for wss:// URLs, of which there is none");
}

static bool take_arguments(peer_options *o, int argc, char **argv, int *code)
{
    int left = argc - optind;
    if (o->command == PEER_CHECK_CONFIG) {
        return check_config(o, left, argv[optind], code);
    }
    if (o->configured) {
        return take_config(o, left, code);
    }
    if (o->token_file != NULL && o->command == PEER_SERVE && o->url_count == 0) {
        return usage(code, "--token-file is for the URLs that are followed");
    }
    if (o->tables != NULL && o->command == PEER_SERVE && o->url_count == 0) {
        return usage(code, "--tables is for the URLs that are followed");
    }
    if (o->command == PEER_SERVE) {
        if (left != 1) {
            return usage(code, "serve needs one FILE");
        }
        o->file = peer_strdup(argv[optind]);
        o->room = o->room != NULL ? o->room : peer_room_name_of(o->file);
        return o->room != NULL ||
               usage(code, "no room name can be made of %s: give one with --room", o->file);
    }
    if (o->command == PEER_CLONE) {
        if (left != 2) {
            return usage(code, "clone needs a URL and a FILE");
        }
        o->once = true;
        o->file = peer_strdup(argv[optind + 1]);
        return add_url(o, argv[optind], code);
    }
    if (left < 2) {
        return usage(code, "sync needs a FILE and at least one URL");
    }
    o->file = peer_strdup(argv[optind]);
    for (int i = optind + 1; i < argc; i++) {
        if (!add_url(o, argv[i], code)) {
            return false;
        }
    }
    return true;
}

bool peer_options_read(int argc, char **argv, peer_options *o, int *code)
{
    static const char *const commands[] = {"serve", "sync", "clone", "check-config"};
    *o = (peer_options){.rights = SYNC_RIGHT_READ | SYNC_RIGHT_WRITE};
    for (int i = 1; i < argc; i++) { /* what is wrong with the command line is an event, too */
        o->json = o->json || strcmp(argv[i], "--json") == 0;
    }
    peer_log_init(o->json, false);
    o->json = false;
    if (argc < 2) {
        return usage(code, "what to do is missing (serve, sync, clone or another command)");
    }
    int first = 1;
    if (argv[1][0] != '-') {
        size_t i = 0;
        while (i < 4 && strcmp(argv[1], commands[i]) != 0) {
            i++;
        }
        if (i == 4) {
            return usage(code,
                         "'%s' is no command (serve, sync, clone, check-config, rooms, status, verify, log, "
                         "compact, snapshot, token, user)",
                         argv[1]);
        }
        o->command = (peer_command)i;
        first = 2;
    }
    optind = first;
    opterr = 0;
    for (int option; optopt = 0, (option = getopt_long(argc, argv, ":hq", known, NULL)) != -1;) {
        const char *text = argv[optind - 1];
        if (option >= OPTION_LISTEN && optarg == text) {
            text = argv[optind - 2]; /* its value stands by itself */
        }
        bool good = option != '?' && option != ':' && (option < OPTION_LISTEN || find_option(text) != NULL);
        if (!(good ? take_option(o, option, code) : refuse_option(option, text, code))) {
            return false;
        }
    }
    if (first == 1) {
        return usage(code, "what to do comes first (serve, sync, clone or another command)");
    }
    if (o->rights == 0) {
        return usage(code, "--receive-only and --send-only together leave nothing to do");
    }
    if (!take_arguments(o, argc, argv, code) || !peer_options_check_tls(o, code)) {
        return false;
    }
    if (o->listen_count == 0) {
        o->listen[o->listen_count++] = (peer_address){peer_strdup(PEER_HOST_DEFAULT), PEER_PORT_DEFAULT};
    }
    return true;
}
