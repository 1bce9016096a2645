#include "tokens.h"

#include <string.h>
#include <strings.h>

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (c & 0x80) != 0;
}

size_t sync_tokens_skip(const char *at)
{
    const char *from = at;
    for (;;) {
        at += strspn(at, " \t\r\n\f");
        if (at[0] == '-' && at[1] == '-') {
            at += strcspn(at, "\n");
        } else if (at[0] == '/' && at[1] == '*') {
            const char *end = strstr(at + 2, "*/");
            at = end ? end + 2 : at + strlen(at);
        } else {
            return (size_t)(at - from);
        }
    }
}

size_t sync_tokens_next(const char *at)
{
    char quote = *at;
    if (quote == '[') {
        quote = ']';
    }
    size_t n = 0;
    if (*at == '\'' || *at == '"' || *at == '`' || *at == '[') {
        for (n = 1; at[n] && (at[n] != quote || (quote != ']' && at[n + 1] == quote)); n++) {
            n += at[n] == quote;
        }
        return n + (at[n] != 0);
    }
    while (in_word(at[n])) {
        n++;
    }
    return n ? n : *at != 0;
}

bool sync_tokens_is(const char *at, size_t bytes, const char *word)
{
    return bytes == strlen(word) && strncasecmp(at, word, bytes) == 0;
}

void sync_tokens_name(const char *at, size_t bytes, char *name)
{
    char quote = *at;
    bool quoted = *at == '\'' || *at == '"' || *at == '`' || *at == '[';
    if (quote == '[') {
        quote = ']';
    }
    for (size_t i = quoted; i < bytes && !(quoted && i + 1 == bytes && at[i] == quote); i++) {
        i += quoted && quote != ']' && at[i] == quote; /* a doubled quote stands for one */
        *name++ = at[i];
    }
    *name = 0;
}
