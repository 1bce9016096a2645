#include "order.h"

#include <string.h>

enum { OPEN = -1 };

typedef struct link {
    uint32_t child, parent; /* indexes of tables */
} link;

/* Takes off, as long as there are any, the tables that refer to none of those left (or that none of those left refers to). */
static void peel(sync_order *o, const link *links, uint32_t link_count, bool parents, bool *bound,
                 uint32_t *first, uint32_t *last)
{
    bool progress = true;
    while (progress) {
        progress = false;
        memset(bound, 0, o->count);
        for (uint32_t i = 0; i < link_count; i++) {
            uint32_t child = links[i].child, parent = links[i].parent;
            if (o->group[child] == (uint32_t)OPEN && o->group[parent] == (uint32_t)OPEN) {
                bound[parents ? child : parent] = true;
            }
        }
        for (uint32_t i = 0; i < o->count; i++) {
            if (o->group[i] == (uint32_t)OPEN && !bound[i]) {
                o->group[i] = parents ? (*first)++ : --*last;
                progress = true;
            }
        }
    }
}

/* The foreign keys that lead to another table. */
static uint32_t read_links(sync_db *s, link *links)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->fk_count; i++) {
        const sync_table *child = sync_engine_tid(s, s->fks[i].child_tid),
                         *parent = sync_engine_tid(s, s->fks[i].parent_tid);
        if (child != parent) {
            links[count++] = (link){(uint32_t)(child - s->tables), (uint32_t)(parent - s->tables)};
        }
    }
    return count;
}

/* Tables by group. */
static void arrange(sync_order *o, sync_db *s, uint32_t *start)
{
    memset(start, 0, (o->count + 1) * sizeof *start);
    for (uint32_t i = 0; i < o->count; i++) {
        start[o->group[i] + 1]++;
    }
    for (uint32_t g = 0; g < o->count; g++) {
        start[g + 1] += start[g];
    }
    for (uint32_t i = 0; i < o->count; i++) {
        o->tables[start[o->group[i]]++] = &s->tables[i];
    }
}

int sync_order_init(sync_order *o, sync_db *s, sync_error *error)
{
    uint32_t first = 0, last = s->table_count;
    *o = (sync_order){.count = s->table_count,
                      .tables = sync_alloc((s->table_count + 1) * sizeof *o->tables),
                      .group = sync_alloc((s->table_count + 1) * sizeof *o->group)};
    link *links = sync_alloc((s->fk_count + 1) * sizeof *links);
    bool *bound = sync_alloc(s->table_count + 1);
    uint32_t *start = sync_alloc((s->table_count + 2) * sizeof *start);
    int rc = o->tables && o->group && links && bound && start ? SYNC_OK : sync_fail_nomem(error);
    if (rc == SYNC_OK) {
        memset(o->group, OPEN, o->count * sizeof *o->group);
        uint32_t link_count = read_links(s, links);
        peel(o, links, link_count, true, bound, &first, &last);
        peel(o, links, link_count, false, bound, &first, &last);
        for (uint32_t i = 0; i < o->count; i++) { /* what is left is in circles, or between them */
            o->group[i] = o->group[i] == (uint32_t)OPEN ? first : o->group[i];
        }
        arrange(o, s, start);
    }
    sync_free(links);
    sync_free(bound);
    sync_free(start);
    return rc;
}

void sync_order_free(sync_order *o)
{
    sync_free(o->tables);
    sync_free(o->group);
}

uint32_t sync_order_end(const sync_order *o, const sync_db *s, uint32_t first)
{
    uint32_t end = first;
    while (end < o->count && o->group[o->tables[end] - s->tables] == o->group[o->tables[first] - s->tables]) {
        end++;
    }
    return end;
}

bool sync_order_refers_by_value(const sync_order *o, sync_db *s, uint32_t group)
{
    bool refers = false;
    for (uint32_t i = 0; !refers && i < s->fk_count; i++) {
        const sync_table *child = sync_engine_tid(s, s->fks[i].child_tid),
                         *parent = sync_engine_tid(s, s->fks[i].parent_tid);
        refers = !s->fks[i].to_key && child && parent && o->group[child - s->tables] == group &&
                 o->group[parent - s->tables] == group;
    }
    return refers;
}

int sync_order_circular(sync_db *s, const sync_table *t, bool *circular, sync_error *error)
{
    bool *reached = sync_alloc(s->table_count + 1), more = true;
    if (reached == NULL) {
        return sync_fail_nomem(error);
    }
    memset(reached, 0, s->table_count + 1);
    while (more) {
        more = false;
        for (uint32_t i = 0; i < s->fk_count; i++) {
            const sync_table *child = sync_engine_tid(s, s->fks[i].child_tid),
                             *parent = sync_engine_tid(s, s->fks[i].parent_tid);
            if (child && parent && (child == t || reached[child - s->tables]) &&
                !reached[parent - s->tables]) {
                reached[parent - s->tables] = more = true;
            }
        }
    }
    *circular = reached[t - s->tables];
    sync_free(reached);
    return SYNC_OK;
}
