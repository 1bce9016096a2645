#include "index_sql.h"

#include <string.h>
#include <strings.h>

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (c & 0x80) != 0;
}

/* Bytes of the white space and the comments that stand here. */
static size_t skip(const char *at)
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

/* Bytes of the token that stands here: a word, a quoted name or text, any other byte by itself; 0 at the end. */
static size_t token(const char *at)
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

static bool is_word(const char *at, size_t bytes, const char *word)
{
    return bytes == strlen(word) && strncasecmp(at, word, bytes) == 0;
}

/* One term, up to the comma or the bracket behind it. */
static const char *read_term(const char *at, sync_piece *term)
{
    int depth = 0;
    const char *last = NULL, *end = NULL,
               *before = NULL; /* the last token, its end, the end of the one before */
    at += skip(at);
    term->text = at;
    for (size_t n; (n = token(at)) > 0 && (depth > 0 || (*at != ',' && *at != ')')); at += skip(at)) {
        depth += (*at == '(') - (*at == ')');
        before = end;
        last = at;
        at += n;
        end = at;
    }
    if (before &&
        (is_word(last, (size_t)(end - last), "ASC") || is_word(last, (size_t)(end - last), "DESC"))) {
        end = before;
    }
    term->bytes = end ? (size_t)(end - term->text) : 0;
    return at;
}

bool sync_index_sql(const char *sql, sync_piece *terms, uint32_t max, uint32_t *count, sync_piece *where)
{
    const char *at = sql + skip(sql), *end;
    *count = 0;
    *where = (sync_piece){0};
    while (*at && *at != '(') {
        at += token(at);
        at += skip(at);
    }
    while (*at == ',' || (*at == '(' && *count == 0)) {
        if (*count == max) {
            return false;
        }
        at = read_term(at + 1, &terms[*count]);
        if (terms[(*count)++].bytes == 0) {
            return false;
        }
    }
    if (*at != ')' || *count == 0) {
        return false;
    }
    at += 1 + skip(at + 1);
    if (!is_word(at, token(at), "WHERE")) {
        return *at == 0;
    }
    at += token(at);
    at += skip(at);
    where->text = end = at;
    for (size_t n; (n = token(at)) > 0; at += skip(at)) {
        at += n;
        end = at;
    }
    where->bytes = (size_t)(end - where->text);
    return where->bytes > 0;
}
