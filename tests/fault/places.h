/* From where calls come that a fault could strike: the functions of the program on the stack, of which the libraries' are left out. */
#ifndef PLACES_H
#define PLACES_H

#include <stdbool.h>
#include <stddef.h>

/* Forgets all places. From here on calls are noted, until places_stop. */
void places_start(void);

/* A call that could fail; the nth since places_start. */
void places_note(void);

/* The numbers (from 1) of the calls that were the first from their place, ascending; `count` of them. Valid until the next places_start. */
const long *places_stop(size_t *count);

#endif
