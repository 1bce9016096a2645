#include "status.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

int sync_fail(sync_error *error, int code, const char *format, ...)
{
    if (error != NULL && error->code == SYNC_OK) {
        va_list args;
        va_start(args, format);
        error->text[0] = '\0';
        (void)vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
        error->code = code;
    }
    return code;
}

void sync_error_clear(sync_error *error)
{
    error->code = SYNC_OK;
    error->text[0] = '\0';
}
