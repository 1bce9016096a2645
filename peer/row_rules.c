#include "row_rules.h"

#include "message.h"

#include <stdlib.h>
#include <string.h>

void peer_row_rules_add(peer_row_rules *rules, const char *table, const char *read, const char *write)
{
    peer_row_rule *list = peer_new((rules->count + 1) * sizeof *list);
    for (size_t i = 0; i < rules->count; i++) {
        list[i] = rules->list[i];
    }
    list[rules->count++] = (peer_row_rule){peer_strdup(table), peer_strdup(read), peer_strdup(write)};
    free(rules->list);
    rules->list = list;
}

void peer_row_rules_copy(peer_row_rules *to, const peer_row_rules *from)
{
    for (size_t i = 0; i < from->count; i++) {
        peer_row_rules_add(to, from->list[i].table, from->list[i].read, from->list[i].write);
    }
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool peer_row_rules_same(const peer_row_rules *a, const peer_row_rules *b)
{
    bool alike = a->count == b->count;
    for (size_t i = 0; alike && i < a->count; i++) {
        const peer_row_rule *x = &a->list[i], *y = &b->list[i];
        alike = same(x->table, y->table) && same(x->read, y->read) && same(x->write, y->write);
    }
    return alike;
}

void peer_row_rules_free(peer_row_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        free(rules->list[i].table);
        free(rules->list[i].read);
        free(rules->list[i].write);
    }
    free(rules->list);
    *rules = (peer_row_rules){0};
}
