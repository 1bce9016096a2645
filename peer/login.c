#include "login.h"

#include "password.h"
#include "users.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* Takes the same time for a user whom there is, and for one whom there is not. */
static void decide(peer_login *l)
{
    peer_user user;
    peer_users_found found = peer_users_find(l->file, l->table, l->form.user, &user, &l->why);
    bool fits = peer_password_fits(l->form.password, found == PEER_USERS_FOUND ? user.hash : NULL);
    OPENSSL_cleanse(l->form.password, sizeof l->form.password);
    OPENSSL_cleanse(user.hash, sizeof user.hash);
    l->end = found == PEER_USERS_BROKEN ? PEER_LOGIN_BROKEN : fits ? PEER_LOGIN_GOOD : PEER_LOGIN_WRONG;
    if (l->end == PEER_LOGIN_GOOD) {
        memcpy(l->rooms, user.rooms, sizeof l->rooms);
        memcpy(l->rights, user.rights, sizeof l->rights);
    }
}

static void *run(void *context)
{
    peer_login *l = context;
    decide(l);
    peer_message *m = peer_message_new(PEER_LOGGED_IN, 0);
    m->about = l;
    peer_queue_put(l->queue, m);
    return NULL;
}

bool peer_login_start(const char *file, const char *table, const peer_form *form, uint64_t asker,
                      peer_queue *queue)
{
    pthread_t thread;
    peer_login *l = peer_new(sizeof *l);
    l->asker = asker;
    l->file = peer_strdup(file);
    l->table = peer_strdup(table);
    l->form = *form;
    l->queue = queue;
    if (pthread_create(&thread, NULL, run, l) != 0) {
        peer_login_free(l);
        return false;
    }
    pthread_detach(thread);
    return true;
}

void peer_login_free(peer_login *login)
{
    if (login != NULL) {
        OPENSSL_cleanse(&login->form, sizeof login->form);
        free(login->file);
        free(login->table);
        free(login->why);
        free(login);
    }
}
