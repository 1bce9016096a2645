/* Options of SQL functions. */
#ifndef SYNC_OPTIONS_H
#define SYNC_OPTIONS_H

#include "engine.h"

enum { SYNC_OPTION_BYTES = 16 };

/* Reads a JSON object of options: names lists those that there are, values gets the value of each as text
** ("" where it is not given, "null" for NULL; cut to what there is room for). */
int sync_options_read(sync_db *s, sqlite3_value *options, const char *function, const char *const *names,
                      uint32_t count, char (*values)[SYNC_OPTION_BYTES], sync_error *error);

#endif
