#include "commands.h"

#include "accounts.h"
#include "changelog.h"
#include "compacting.h"
#include "exits.h"
#include "log.h"
#include "minting.h"
#include "options.h"
#include "overview.h"
#include "snapshot.h"
#include "stop.h"
#include "verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USAGE_BYTES = 800 };

typedef enum word_kind { FLAG, TEXT, NUMBER } word_kind;

static const struct {
    const char *name;
    word_kind kind;
} words[PEER_WORD_COUNT] = {
    [PEER_WORD_AGE] = {"age", NUMBER},
    [PEER_WORD_AUDIENCE] = {"audience", TEXT},
    [PEER_WORD_CA_FILE] = {"ca-file", TEXT},
    [PEER_WORD_CLIENT_CERT_FILE] = {"client-cert-file", TEXT},
    [PEER_WORD_CLIENT_KEY_FILE] = {"client-key-file", TEXT},
    [PEER_WORD_FOLLOW] = {"follow", FLAG},
    [PEER_WORD_JSON] = {"json", FLAG},
    [PEER_WORD_KEY_FILE] = {"key-file", TEXT},
    [PEER_WORD_LIMIT] = {"limit", NUMBER},
    [PEER_WORD_PIN] = {"pin", TEXT},
    [PEER_WORD_QUIET] = {"quiet", FLAG},
    [PEER_WORD_REPAIR] = {"repair", FLAG},
    [PEER_WORD_RIGHTS] = {"rights", TEXT},
    [PEER_WORD_ROOM] = {"room", TEXT},
    [PEER_WORD_SECONDS] = {"seconds", NUMBER},
    [PEER_WORD_SINCE] = {"since", NUMBER},
    [PEER_WORD_SUB] = {"sub", TEXT},
    [PEER_WORD_TABLE] = {"table", TEXT},
    [PEER_WORD_TOKEN_FILE] = {"token-file", TEXT},
    [PEER_WORD_WATCH] = {"watch", FLAG},
};

#define HAS(word) (1u << PEER_WORD_##word)

/* How who asks a peer shows himself, and whom he trusts. */
#define HAS_ASKING (HAS(TOKEN_FILE) | HAS(CA_FILE) | HAS(PIN) | HAS(CLIENT_CERT_FILE) | HAS(CLIENT_KEY_FILE))

typedef struct command {
    const char *name;
    int files;
    const char *needs; /* those, in words */
    unsigned takes;    /* HAS */
    unsigned must;
    int (*run)(const peer_words *);
} command;

static const command commands[] = {
    {"rooms", 1, "the URL of one peer", HAS(JSON) | HAS(QUIET) | HAS_ASKING, 0, peer_overview_rooms},
    {"status", 1, "the URL of one peer", HAS(JSON) | HAS(QUIET) | HAS(WATCH) | HAS_ASKING, 0,
     peer_overview_status},
    {"verify", 2, "two files, A and B, or a file and a URL",
     HAS(JSON) | HAS(QUIET) | HAS(LIMIT) | HAS(REPAIR) | HAS_ASKING, 0, peer_verify_run},
    {"log", 1, "one FILE", HAS(TABLE) | HAS(SINCE) | HAS(FOLLOW), 0, peer_changelog_run},
    {"compact", 1, "one FILE", HAS(JSON) | HAS(QUIET) | HAS(AGE), 0, peer_compacting_run},
    {"snapshot", 2, "a FILE and the name of a NEW one", HAS(JSON) | HAS(QUIET), 0, peer_snapshot_run},
    {"token", 0, "no FILE", HAS(KEY_FILE) | HAS(AUDIENCE) | HAS(ROOM) | HAS(RIGHTS) | HAS(SUB) | HAS(SECONDS),
     HAS(KEY_FILE) | HAS(AUDIENCE) | HAS(ROOM) | HAS(RIGHTS), peer_minting_run},
    {"user", 2, "what to do (add, set, remove or list) and a FILE",
     HAS(SUB) | HAS(ROOM) | HAS(RIGHTS) | HAS(TABLE), 0, peer_accounts_run},
};

static const char help[] =
    "Ask a peer, ws://HOST[:PORT] or wss:// (with /ROOM: about that room alone):\n"
    "\n"
    "  sync-peer rooms URL\n"
    "        list the rooms that may be read there\n"
    "  sync-peer status URL [--watch]\n"
    "        how many are in each, and how far they are behind; --watch: again every two seconds\n"
    "\n"
    "On files, and then they end:\n"
    "\n"
    "  sync-peer verify A B|URL [--repair] [--limit N]\n"
    "        compare two files row by row and clock by clock; --repair takes A as right where no clock "
    "tells\n"
    "  sync-peer log FILE [--table T] [--since VERSION] [--follow]\n"
    "        print the changes of FILE as JSON, newest last; --follow: go on as they happen\n"
    "  sync-peer compact FILE [--age SECONDS]\n"
    "        forget deletes that every known file has acknowledged, or that are older (default 90 days)\n"
    "  sync-peer snapshot FILE NEW\n"
    "        make NEW, a copy of FILE as it is at one moment, while programs write to FILE\n"
    "  sync-peer token --key-file F --audience AUD --room ROOM --rights read,write [--sub NAME] [--seconds "
    "N]\n"
    "        print a token that lets its bearer into ROOM (with * for any characters), for an hour\n"
    "  sync-peer user add|set|remove|list FILE [--sub NAME] [--room ROOM,...] [--rights read,write] [--table "
    "T]\n"
    "        change who may log in, in FILE; a password is read from standard input: set without --room and "
    "--rights\n"
    "        changes it\n"
    "\n";

const char *peer_command_help(void)
{
    return help;
}

int peer_command_usage(const char *format, ...)
{
    va_list arguments;
    char text[USAGE_BYTES];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    peer_error(PEER_EXIT_USAGE, "%s; see sync-peer --help", text);
    return PEER_EXIT_USAGE;
}

static const command *find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static bool has(int argc, char **argv, const char *text)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], text) == 0) {
            return true;
        }
    }
    return false;
}

/* The option that argv[*at] is, with its value, which may be the argument behind it. An exit code. */
static int take_word(const command *c, char **argv, int *at, peer_words *w)
{
    const char *text = argv[*at], *value = strchr(text, '=');
    size_t bytes = value != NULL ? (size_t)(value - text) : strlen(text), i = 0;
    while (i < PEER_WORD_COUNT && (strncmp(text, "--", 2) != 0 || strlen(words[i].name) != bytes - 2 ||
                                   memcmp(text + 2, words[i].name, bytes - 2) != 0)) {
        i++;
    }
    i = i == PEER_WORD_COUNT && strcmp(text, "-q") == 0 ? PEER_WORD_QUIET : i;
    if (i == PEER_WORD_COUNT || (c->takes & 1u << i) == 0) {
        return peer_command_usage("%.*s is no option of %s", (int)bytes, text, c->name);
    }
    value = value != NULL ? value + 1 : NULL;
    if (words[i].kind == FLAG && value != NULL) {
        return peer_command_usage("--%s takes no value", words[i].name);
    }
    if (words[i].kind != FLAG && value == NULL && (value = argv[++*at]) == NULL) {
        return peer_command_usage("--%s lacks its value", words[i].name);
    }
    w->value[i] = value != NULL ? value : "";
    if (words[i].kind == NUMBER) {
        char *end = NULL;
        errno = 0;
        w->number[i] = strtoll(value, &end, 10);
        if (errno != 0 || *value < '0' || *value > '9' || *end != 0) {
            return peer_command_usage("--%s %s is no number", words[i].name, value);
        }
    }
    return PEER_EXIT_OK;
}

static int take_words(const command *c, int argc, char **argv, peer_words *w)
{
    int files = 0;
    bool options = true;
    for (int i = 2; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1] != 0) {
            int code = take_word(c, argv, &i, w);
            if (code != PEER_EXIT_OK) {
                return code;
            }
        } else {
            if (files < c->files) {
                w->file[files] = argv[i];
            }
            files++;
        }
    }
    if (files != c->files) {
        return peer_command_usage("%s needs %s", c->name, c->needs);
    }
    for (unsigned i = 0; i < PEER_WORD_COUNT; i++) {
        if ((c->must & 1u << i) != 0 && w->value[i] == NULL) {
            return peer_command_usage("%s needs --%s", c->name, words[i].name);
        }
    }
    return PEER_EXIT_OK;
}

bool peer_command_run(int argc, char **argv, int *code)
{
    const command *c = argc > 1 ? find(argv[1]) : NULL;
    peer_words w = {{NULL}, {NULL}, {0}};
    if (c == NULL) {
        return false;
    }
    *code = PEER_EXIT_OK;
    if (has(argc, argv, "--help") || has(argc, argv, "-h") || has(argc, argv, "--version")) {
        peer_options_tell(!has(argc, argv, "--version"));
        return true;
    }
    peer_log_init((c->takes & HAS(JSON)) != 0 && has(argc, argv, "--json"), false);
    *code = take_words(c, argc, argv, &w);
    if (*code == PEER_EXIT_OK) {
        peer_log_init(w.value[PEER_WORD_JSON] != NULL, w.value[PEER_WORD_QUIET] != NULL);
        peer_stop_begin();
        *code = c->run(&w);
    }
    return true;
}
