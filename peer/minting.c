#include "minting.h"

#include "exits.h"
#include "keys.h"
#include "log.h"
#include "message.h"
#include "peer_limits.h"
#include "token.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char default_sub[] = "sync-peer";

/* A list of rights, by commas, as an array; NULL: one of them is none, or there is none. */
static json_t *rights_of(const char *list)
{
    static const char *const known[] = {"read", "write", "admin", "peer"};
    json_t *rights = json_array();
    for (const char *at = list; rights != NULL && at != NULL;) {
        size_t bytes = strcspn(at, ","), i = 0;
        while (i < sizeof known / sizeof *known &&
               (strlen(known[i]) != bytes || memcmp(known[i], at, bytes) != 0)) {
            i++;
        }
        if (i == sizeof known / sizeof *known || json_array_append_new(rights, json_string(known[i])) != 0) {
            json_decref(rights);
            return NULL;
        }
        at = at[bytes] == ',' ? at + bytes + 1 : NULL;
    }
    return rights;
}

static bool is_room_pattern(const char *room)
{
    size_t bytes = strlen(room);
    return bytes > 0 && bytes <= PEER_ROOM_NAME_MAX &&
           strspn(room, "abcdefghijklmnopqrstuvwxyz0123456789_-*") == bytes;
}

static int check(const peer_words *w)
{
    const char *sub = w->value[PEER_WORD_SUB], *seconds = w->value[PEER_WORD_SECONDS];
    const size_t sub_max = sizeof((peer_grant *)NULL)->user - 1;
    if (*w->value[PEER_WORD_AUDIENCE] == 0) {
        return peer_command_usage("--audience is empty");
    }
    if (!is_room_pattern(w->value[PEER_WORD_ROOM])) {
        return peer_command_usage("--room %s is no room name (a-z 0-9 _ -, at most %d, * for any characters)",
                                  w->value[PEER_WORD_ROOM], PEER_ROOM_NAME_MAX);
    }
    if (sub != NULL && (*sub == 0 || strlen(sub) > sub_max)) {
        return peer_command_usage("--sub is empty, or longer than %zu bytes", sub_max);
    }
    if (seconds != NULL &&
        (w->number[PEER_WORD_SECONDS] == 0 || w->number[PEER_WORD_SECONDS] > PEER_TOKEN_SECONDS_MAX)) {
        return peer_command_usage("--seconds %s is not between 1 and %d", seconds, PEER_TOKEN_SECONDS_MAX);
    }
    return PEER_EXIT_OK;
}

/* What the token says, in the members that peer_token_check() wants; NULL: out of memory, or a text is no UTF-8. */
static json_t *claims_of(const peer_words *w, json_t *rights)
{
    const int64_t now = (int64_t)time(NULL);
    const int64_t seconds =
        w->value[PEER_WORD_SECONDS] != NULL ? w->number[PEER_WORD_SECONDS] : PEER_TOKEN_SECONDS;
    const char *sub = w->value[PEER_WORD_SUB] != NULL ? w->value[PEER_WORD_SUB] : default_sub;
    return json_pack("{s:s, s:s, s:s, s:O, s:I, s:I, s:I}", "aud", w->value[PEER_WORD_AUDIENCE], "sub", sub,
                     "room", w->value[PEER_WORD_ROOM], "rights", rights, "iat", (json_int_t)now, "nbf",
                     (json_int_t)now, "exp", (json_int_t)(now + seconds));
}

static int mint(const peer_words *w, json_t *rights)
{
    peer_keys keys;
    char *why = NULL;
    if (!peer_keys_read_signing(&keys, w->value[PEER_WORD_KEY_FILE], &why)) {
        peer_error(PEER_EXIT_USAGE, "--key-file: %s", why);
        free(why);
        return PEER_EXIT_USAGE;
    }
    int code = PEER_EXIT_OK;
    json_t *claims = claims_of(w, rights);
    char *token = claims != NULL ? peer_token_sign(&keys.list[0], keys.algorithm, claims) : NULL;
    if (claims == NULL) {
        code = peer_command_usage("--audience or --sub is not UTF-8");
    } else if (token == NULL) {
        code = PEER_EXIT_ERROR;
        peer_error(code, "%s: no token can be signed with it", w->value[PEER_WORD_KEY_FILE]);
    } else if (strlen(token) > PEER_TOKEN_BYTES_MAX) {
        code = peer_command_usage("the token is longer than the %d bytes that are let in: shorten --audience",
                                  PEER_TOKEN_BYTES_MAX);
    } else {
        puts(token);
    }
    free(token);
    json_decref(claims);
    peer_keys_free(&keys);
    return code;
}

int peer_minting_run(const peer_words *w)
{
    int code = check(w);
    if (code != PEER_EXIT_OK) {
        return code;
    }
    json_t *rights = rights_of(w->value[PEER_WORD_RIGHTS]);
    if (rights == NULL) {
        return peer_command_usage("--rights %s is not read, write, admin or peer, or several, by commas",
                                  w->value[PEER_WORD_RIGHTS]);
    }
    code = mint(w, rights);
    json_decref(rights);
    return code;
}
