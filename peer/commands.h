/* The commands that work on files, make something for them, or ask a peer something, and then end: what each is called, the words that it takes, and who runs it. The
** commands that keep files in step are in options.h. */
#ifndef PEER_COMMANDS_H
#define PEER_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

enum { PEER_COMMAND_FILES_MAX = 2 };

/* What the options of all of these commands are called, without their dashes, in commands.c. */
typedef enum peer_word {
    PEER_WORD_AGE,
    PEER_WORD_AUDIENCE,
    PEER_WORD_CA_FILE,
    PEER_WORD_CLIENT_CERT_FILE,
    PEER_WORD_CLIENT_KEY_FILE,
    PEER_WORD_FOLLOW,
    PEER_WORD_JSON,
    PEER_WORD_KEY_FILE,
    PEER_WORD_LIMIT,
    PEER_WORD_PIN,
    PEER_WORD_QUIET,
    PEER_WORD_REPAIR,
    PEER_WORD_RIGHTS,
    PEER_WORD_ROOM,
    PEER_WORD_SECONDS,
    PEER_WORD_SINCE,
    PEER_WORD_SUB,
    PEER_WORD_TABLE,
    PEER_WORD_TOKEN_FILE,
    PEER_WORD_WATCH,
    PEER_WORD_COUNT
} peer_word;

/* A command line that was understood: as many files as the command needs, and no option that it does not have. All text is borrowed from argv. */
typedef struct peer_words {
    const char *file[PEER_COMMAND_FILES_MAX]; /* or a URL */
    const char *value[PEER_WORD_COUNT];       /* NULL: not given; "": given, and takes no value */
    int64_t number[PEER_WORD_COUNT];          /* of those that take one, which is not negative */
} peer_words;

/* Reads the command line and does what it says, if argv[1] is one of these commands; else false, and *code is not set. *code: the exit code; what had to be
** said has been said. The main thread. */
bool peer_command_run(int argc, char **argv, int *code);

/* The part of --help that is about them. Lines, each with its end. */
const char *peer_command_help(void);

/* Wrong usage: says so, and where the right one is written. PEER_EXIT_USAGE. */
int peer_command_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
