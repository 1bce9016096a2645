#include "throttle.h"

#include "message.h"
#include "peer_limits.h"
#include "visitors.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

enum { SECRET_BYTES = 16 };

typedef struct slot {
    double failed; /* attempts that still count: they wear off evenly */
    int64_t at_ms; /* when that was reckoned */
    int64_t until_ms;
} slot;

struct peer_throttle {
    unsigned char secret[SECRET_BYTES];
    slot addresses[PEER_THROTTLE_SLOTS], users[PEER_THROTTLE_SLOTS];
};

peer_throttle *peer_throttle_new(void)
{
    peer_throttle *t = peer_new(sizeof *t);
    if (RAND_bytes(t->secret, SECRET_BYTES) != 1) {
        free(t);
        return NULL;
    }
    return t;
}

void peer_throttle_free(peer_throttle *t)
{
    free(t);
}

/* Nobody who does not know the secret can find names or addresses that fall together. */
static slot *find(const peer_throttle *t, slot *slots, const void *key, size_t bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0}, data[SECRET_BYTES + 64] = {0};
    memcpy(data, t->secret, SECRET_BYTES);
    memcpy(data + SECRET_BYTES, key, bytes < 64 ? bytes : 64);
    if (EVP_Digest(data, sizeof data, digest, NULL, EVP_sha256(), NULL) != 1) {
        peer_out_of_memory();
    }
    return &slots[(digest[0] | (unsigned)digest[1] << 8 | (unsigned)digest[2] << 16) % PEER_THROTTLE_SLOTS];
}

static slot *address_of(peer_throttle *t, const char *address)
{
    uint8_t key[PEER_VISITOR_KEY_BYTES];
    peer_visitor_key(address, key);
    return find(t, t->addresses, key, sizeof key);
}

static slot *user_of(peer_throttle *t, const char *user)
{
    return find(t, t->users, user, strlen(user));
}

static void wear_off(slot *s, int64_t now_ms)
{
    s->failed -= (double)(now_ms - s->at_ms) / PEER_LOGIN_FORGET_MS;
    s->failed = s->failed > 0 ? s->failed : 0;
    s->at_ms = now_ms;
}

/* How many failures are beyond those that cost nothing; negative: none is. Half of one may have worn off while they were made. */
static double beyond(const slot *s)
{
    return s->failed - PEER_LOGIN_FREE + 0.5;
}

static void count(slot *s, int64_t now_ms)
{
    int64_t wait_ms = PEER_LOGIN_MS_FIRST;
    s->failed++;
    for (int i = 1; i <= beyond(s) && wait_ms < PEER_LOGIN_MS_MOST; i++) {
        wait_ms *= 2;
    }
    wait_ms = wait_ms < PEER_LOGIN_MS_MOST ? wait_ms : PEER_LOGIN_MS_MOST;
    s->until_ms = beyond(s) >= 0 ? now_ms + wait_ms : now_ms;
}

int64_t peer_throttle_try(peer_throttle *t, const char *address, const char *user, int64_t now_ms)
{
    slot *from = address_of(t, address), *to = user_of(t, user);
    wear_off(from, now_ms);
    wear_off(to, now_ms);
    int64_t until_ms = from->until_ms > to->until_ms ? from->until_ms : to->until_ms;
    if (until_ms > now_ms) {
        return until_ms - now_ms;
    }
    count(from, now_ms);
    count(to, now_ms);
    return 0;
}

void peer_throttle_forgive(peer_throttle *t, const char *address, const char *user)
{
    slot *from = address_of(t, address), *to = user_of(t, user);
    from->failed = from->failed > 1 ? from->failed - 1 : 0;
    from->until_ms = beyond(from) >= 0 ? from->until_ms : 0;
    to->failed = 0;
    to->until_ms = 0;
}
