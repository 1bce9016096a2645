#include "index_sql.h"

#include "tokens.h"

/* One term, up to the comma or the bracket behind it. */
static const char *read_term(const char *at, sync_piece *term)
{
    int depth = 0;
    const char *last = NULL, *end = NULL,
               *before = NULL; /* the last token, its end, the end of the one before */
    at += sync_tokens_skip(at);
    term->text = at;
    for (size_t n; (n = sync_tokens_next(at)) > 0 && (depth > 0 || (*at != ',' && *at != ')'));
         at += sync_tokens_skip(at)) {
        depth += (*at == '(') - (*at == ')');
        before = end;
        last = at;
        at += n;
        end = at;
    }
    if (before && (sync_tokens_is(last, (size_t)(end - last), "ASC") ||
                   sync_tokens_is(last, (size_t)(end - last), "DESC"))) {
        end = before;
    }
    term->bytes = end ? (size_t)(end - term->text) : 0;
    return at;
}

bool sync_index_sql(const char *sql, sync_piece *terms, uint32_t max, uint32_t *count, sync_piece *where)
{
    const char *at = sql + sync_tokens_skip(sql), *end;
    *count = 0;
    *where = (sync_piece){0};
    while (*at && *at != '(') {
        at += sync_tokens_next(at);
        at += sync_tokens_skip(at);
    }
    while (*at == ',' || *at == '(') { /* a term ends before a comma, the bracket, or at the end */
        if (*count == max) {
            return false;
        }
        at = read_term(at + 1, &terms[*count]);
        if (terms[(*count)++].bytes == 0) {
            return false;
        }
    }
    if (*at != ')') {
        return false;
    }
    at += 1 + sync_tokens_skip(at + 1);
    if (!sync_tokens_is(at, sync_tokens_next(at), "WHERE")) {
        return *at == 0;
    }
    at += sync_tokens_next(at);
    at += sync_tokens_skip(at);
    where->text = end = at;
    for (size_t n; (n = sync_tokens_next(at)) > 0; at += sync_tokens_skip(at)) {
        at += n;
        end = at;
    }
    where->bytes = (size_t)(end - where->text);
    return where->bytes > 0;
}
