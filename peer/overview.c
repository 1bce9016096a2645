#include "overview.h"

#include "asking.h"
#include "log.h"
#include "message.h"
#include "stop.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MS = 1000 };

typedef struct overview {
    peer_options options; /* whom to ask, and how */
    bool whole;           /* status; else: rooms */
    bool json;
    bool tables; /* one was printed already */
} overview;

/* One room, as the peer says. */
typedef struct room_line {
    const char *name;
    bool open;
    int64_t members, elsewhere, links, lag_ms, parts;
} room_line;

/* ---- what was answered */

static bool read_count(const json_t *object, const char *name, int64_t *to)
{
    const json_t *value = json_object_get(object, name);
    *to = json_integer_value(value);
    return json_is_integer(value) && *to >= 0;
}

/* The same, where earlier versions do not say it. */
static bool read_new_count(const json_t *object, const char *name, int64_t *to)
{
    *to = 0;
    return json_object_get(object, name) == NULL || read_count(object, name, to);
}

/* False: it is none. `to` borrows from it. */
static bool read_room(const json_t *object, room_line *to)
{
    const json_t *open = json_object_get(object, "open"), *lag = json_object_get(object, "lagSeconds");
    const double lag_s = json_number_value(lag);
    to->name = json_string_value(json_object_get(object, "room"));
    to->open = json_is_true(open);
    to->lag_ms = lag_s >= 0 && lag_s < (double)INT32_MAX ? (int64_t)(lag_s * MS + 0.5) : -1;
    return to->name != NULL && peer_room_name_ok(to->name, strlen(to->name)) && json_is_boolean(open) &&
           json_is_number(lag) && to->lag_ms >= 0 && read_count(object, "members", &to->members) &&
           read_new_count(object, "elsewhere", &to->elsewhere) && read_count(object, "links", &to->links) &&
           read_count(object, "partsOutstanding", &to->parts);
}

static bool is_wanted(const overview *o, const room_line *room)
{
    const char *one = o->options.urls[0].room;
    return one == NULL || strcmp(one, room->name) == 0;
}

/* Is all of it as it should be? Only then anything is printed. */
static bool is_sound(const json_t *answer)
{
    const json_t *rooms = json_object_get(answer, "rooms"), *object;
    bool good = json_is_array(rooms) && json_is_string(json_object_get(answer, "software")) &&
                json_is_integer(json_object_get(answer, "since")) &&
                json_is_boolean(json_object_get(answer, "more"));
    size_t i;
    json_array_foreach(rooms, i, object)
    {
        room_line room;
        good = good && read_room(object, &room);
    }
    return good;
}

/* ---- how it is shown */

static void put_events(const overview *o, const json_t *answer)
{
    const json_t *object;
    size_t i;
    if (o->whole) {
        peer_event("peer",
                   (peer_field[]){
                       PEER_TEXT("software", json_string_value(json_object_get(answer, "software"))),
                       PEER_NUMBER("since", json_integer_value(json_object_get(answer, "since"))), PEER_END});
    }
    json_array_foreach(json_object_get(answer, "rooms"), i, object)
    {
        room_line room;
        if (read_room(object, &room) && is_wanted(o, &room)) {
            peer_event("room",
                       (peer_field[]){PEER_TEXT("room", room.name), PEER_NUMBER("open", room.open),
                                      PEER_NUMBER("members", room.members),
                                      PEER_NUMBER("elsewhere", room.elsewhere),
                                      PEER_NUMBER("links", room.links), PEER_NUMBER("lag", room.lag_ms),
                                      PEER_NUMBER("parts", room.parts), PEER_END});
        }
    }
}

/* Who it is, and since when; control characters are replaced. */
static void put_peer(const json_t *answer)
{
    const char *software = json_string_value(json_object_get(answer, "software"));
    const time_t since = (time_t)json_integer_value(json_object_get(answer, "since"));
    struct tm parts;
    char text[40] = "?";
    if (gmtime_r(&since, &parts) != NULL) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    for (const char *at = software; *at != 0; at++) {
        putchar(*at >= ' ' && *at <= '~' ? *at : '?');
    }
    printf(", since %s\n", text);
}

/* As wide as the longest name that is shown. */
static int name_width(const overview *o, const json_t *rooms)
{
    const json_t *object;
    size_t i, width = strlen("ROOM");
    json_array_foreach(rooms, i, object)
    {
        room_line room;
        if (read_room(object, &room) && is_wanted(o, &room) && strlen(room.name) > width) {
            width = strlen(room.name);
        }
    }
    return (int)width;
}

static void put_line(const overview *o, int width, const room_line *room)
{
    printf("%-*s  %-4s  %7" PRId64 "  %9" PRId64, width, room->name, room->open ? "yes" : "no", room->members,
           room->elsewhere);
    if (o->whole) {
        printf("  %5" PRId64 "  %6" PRId64 ".%03d  %5" PRId64, room->links, room->lag_ms / MS,
               (int)(room->lag_ms % MS), room->parts);
    }
    putchar('\n');
}

static void put_table(overview *o, const json_t *answer)
{
    const json_t *rooms = json_object_get(answer, "rooms"), *object;
    const int width = name_width(o, rooms);
    size_t i;
    if (o->tables) {
        fputs(isatty(STDOUT_FILENO) ? "\033[H\033[2J" : "\n", stdout);
    }
    o->tables = true;
    if (o->whole) {
        put_peer(answer);
    }
    printf("%-*s  OPEN  MEMBERS  ELSEWHERE%s\n", width, "ROOM", o->whole ? "  LINKS       LAG s  PARTS" : "");
    json_array_foreach(rooms, i, object)
    {
        room_line room;
        if (read_room(object, &room) && is_wanted(o, &room)) {
            put_line(o, width, &room);
        }
    }
}

/* ---- asking */

static bool has_wanted(const overview *o, const json_t *answer)
{
    const json_t *object;
    size_t i;
    bool has = o->options.urls[0].room == NULL;
    json_array_foreach(json_object_get(answer, "rooms"), i, object)
    {
        room_line room;
        has = has || (read_room(object, &room) && is_wanted(o, &room));
    }
    return has;
}

/* An exit code, and *why where it is not 0: the caller frees it. */
static int show(overview *o, const sync_buf *body, char **why)
{
    json_error_t error;
    json_t *answer = json_loadb((const char *)body->data, body->len, JSON_REJECT_DUPLICATES, &error);
    int code = PEER_EXIT_REFUSED;
    if (answer == NULL || !is_sound(answer)) {
        *why = peer_strdup("its answer is no list of rooms; is it a sync-peer?");
    } else if (!has_wanted(o, answer)) {
        *why = peer_format("there is no room %s that may be read", o->options.urls[0].room);
    } else {
        code = PEER_EXIT_OK;
        if (o->json) {
            put_events(o, answer);
        } else {
            put_table(o, answer);
        }
        if (json_is_true(json_object_get(answer, "more"))) {
            peer_notice("%s: there are more rooms than it lists", o->options.urls[0].text);
        }
        code = peer_log_flush() ? PEER_EXIT_OK : PEER_EXIT_ERROR;
    }
    json_decref(answer);
    return code;
}

static int ask(overview *o, char **why)
{
    sync_buf body = {0};
    int code = peer_asking_get(&o->options, "/rooms", &body, why);
    if (code == PEER_EXIT_OK) {
        code = show(o, &body, why);
    }
    sync_buf_free(&body);
    return code;
}

/* False: there is nothing to ask, and *code is the exit code. */
static bool read_words(const peer_words *w, peer_options *to, int *code)
{
    const char *wrong = peer_url_read_peer(w->file[0], &to->urls[0]), *pin = w->value[PEER_WORD_PIN];
    if (wrong != NULL) {
        *code = peer_command_usage("%s is no URL of a peer: %s", w->file[0], wrong);
        return false;
    }
    to->url_count = 1;
    if (pin != NULL && !peer_pin_ok(pin)) {
        *code = peer_command_usage("--pin %s is not 64 hexadecimal digits", pin);
        return false;
    }
    to->pin = peer_strdup(pin);
    to->token_file = peer_strdup(w->value[PEER_WORD_TOKEN_FILE]);
    to->ca_file = peer_strdup(w->value[PEER_WORD_CA_FILE]);
    to->client_cert_file = peer_strdup(w->value[PEER_WORD_CLIENT_CERT_FILE]);
    to->client_key_file = peer_strdup(w->value[PEER_WORD_CLIENT_KEY_FILE]);
    return peer_options_check_tls(to, code);
}

/* Asks again and again until a signal comes, or it is refused; a peer that is away may come back. */
static int watch(overview *o)
{
    bool complained = false;
    for (bool first = true;; first = false) {
        char *why = NULL;
        const int code = ask(o, &why);
        const bool stopped = code == PEER_EXIT_STOPPED || peer_stop_asked();
        const bool ends = code != PEER_EXIT_OK && (first || code != PEER_EXIT_NETWORK) && !stopped;
        if (ends && why != NULL) {
            peer_error(code, "%s: %s", o->options.urls[0].text, why);
        } else if (code == PEER_EXIT_NETWORK && !complained && !stopped) {
            peer_notice("%s: %s; trying again", o->options.urls[0].text, why);
        }
        complained = code == PEER_EXIT_NETWORK;
        free(why);
        if (stopped || ends) {
            return stopped ? PEER_EXIT_OK : code;
        }
        peer_stop_wait(-1, PEER_WATCH_MS);
        if (peer_stop_asked()) {
            return PEER_EXIT_OK;
        }
    }
}

static int run(const peer_words *w, bool whole)
{
    overview o = {.whole = whole, .json = w->value[PEER_WORD_JSON] != NULL};
    char *why = NULL;
    int code = PEER_EXIT_OK;
    if (!read_words(w, &o.options, &code)) {
        ;
    } else if (w->value[PEER_WORD_WATCH] != NULL) {
        code = watch(&o);
    } else {
        code = ask(&o, &why);
        if (why != NULL) {
            peer_error(code, "%s: %s", o.options.urls[0].text, why);
        }
    }
    free(why);
    peer_options_free(&o.options);
    return code;
}

int peer_overview_rooms(const peer_words *w)
{
    return run(w, false);
}

int peer_overview_status(const peer_words *w)
{
    return run(w, true);
}
