/* Failed logins, counted by address and by user, and how long each has to wait because of them. Of a fixed size: who comes from many addresses, or tries many
** names, makes others share what they are counted in, and never makes it larger or forget. Pure: no clock. One thread. */
#ifndef PEER_THROTTLE_H
#define PEER_THROTTLE_H

#include <stdint.h>

typedef struct peer_throttle peer_throttle;

/* NULL: there is no randomness, which keeps others from choosing whom they share with. */
peer_throttle *peer_throttle_new(void);
void peer_throttle_free(peer_throttle *t); /* NULL is fine */

/* May this address try to log in as that user? 0: yes, and it counts as failed until peer_throttle_forgive says otherwise, so that many attempts at once are no
** way around. Else how long to wait, in ms; then nothing is counted. `address` as for peer_visitors_judge. */
int64_t peer_throttle_try(peer_throttle *t, const char *address, const char *user, int64_t now_ms);

/* That attempt was no failure: all failures of the user are forgotten, and of the address this one, since who has a password of his own must not go on trying others. */
void peer_throttle_forgive(peer_throttle *t, const char *address, const char *user);

#endif
