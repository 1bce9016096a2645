/* Damage to the bytes of a database file. Most goes where it is read as something: pages of our own tables, their cells and pointers. */
#include "damage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CHANGES_MAX = 6, HEADER_BYTES = 100, RANGE_MAX = 64, CELL_BYTES = 48 };

typedef struct patient {
    sim_dice *d;
    const shape *s;
    uint8_t *bytes;
    size_t size;
    char *said;
    size_t said_bytes;
} patient;

__attribute__((format(printf, 2, 3))) static void say(patient *p, const char *format, ...)
{
    size_t used = strlen(p->said);
    va_list list;
    va_start(list, format);
    (void)vsnprintf(p->said + used, p->said_bytes - used, format, list);
    va_end(list);
}

static size_t below(patient *p, size_t n)
{
    return n > 0 ? (size_t)(dice_next(p->d) % n) : 0;
}

/* A page, counted from 1: mostly one of our own tables. */
static size_t choose_page(patient *p)
{
    int percent = dice_below(p->d, 100);
    page_owner wanted = percent < 65 ? PAGE_OF_OURS : percent < 72 ? PAGE_OF_SCHEMA : PAGE_OF_ROWS;
    size_t page = below(p, p->s->page_count) + 1;
    for (uint32_t tries = 0; percent < 92 && tries < p->s->page_count && p->s->owner[page] != wanted;
         tries++) {
        page = page % p->s->page_count + 1;
    }
    return page;
}

/* Its first byte, or NULL if it has been cut off. */
static uint8_t *page_at(patient *p, size_t page)
{
    size_t page_bytes = (size_t)p->s->page_bytes;
    return page * page_bytes <= p->size ? p->bytes + (page - 1) * page_bytes : NULL;
}

static uint8_t corner(patient *p)
{
    static const uint8_t corners[] = {0x00, 0x01, 0x02, 0x05, 0x0a, 0x0d, 0x7f, 0x80, 0x81, 0xfe, 0xff};
    return dice_percent(p->d, 60) ? corners[below(p, sizeof corners)] : (uint8_t)dice_next(p->d);
}

/* `at` bytes behind the beginning of the page. */
static void change_byte(patient *p, size_t page, size_t at)
{
    uint8_t *from = page_at(p, page);
    if (from != NULL && at < (size_t)p->s->page_bytes) {
        uint8_t old = from[at], bit = (uint8_t)(1u << below(p, 8));
        from[at] = dice_percent(p->d, 40) ? old ^ bit : corner(p);
        say(p, " page %zu byte %zu: %02x becomes %02x.", page, at, old, from[at]);
    }
}

static size_t tree_header(size_t page)
{
    return page == 1 ? HEADER_BYTES : 0;
}

static unsigned u16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* Is it a page of a b-tree with cells? Their number, and where the array of pointers to them begins. */
static unsigned cells_of(const uint8_t *from, size_t page, size_t *array)
{
    const uint8_t *header = from + tree_header(page);
    bool leaf = header[0] == 0x0a || header[0] == 0x0d, inner = header[0] == 0x02 || header[0] == 0x05;
    *array = tree_header(page) + (leaf ? 8 : 12);
    return leaf || inner ? u16(header + 3) : 0;
}

/* Among the first bytes of a cell: lengths, rowid, the record's header, small values. */
static void change_cell(patient *p)
{
    size_t page = choose_page(p), array = 0;
    uint8_t *from = page_at(p, page);
    unsigned cells = from ? cells_of(from, page, &array) : 0;
    size_t pointer = array + 2 * below(p, cells);
    if (cells > 0 && pointer + 2 <= (size_t)p->s->page_bytes) {
        size_t reach = dice_percent(p->d, 50) ? 12 : CELL_BYTES;
        change_byte(p, page, u16(from + pointer) + below(p, reach));
    }
}

static void change_tree(patient *p)
{
    size_t page = choose_page(p), array = 0;
    uint8_t *from = page_at(p, page);
    unsigned cells = from ? cells_of(from, page, &array) : 0;
    change_byte(p, page, tree_header(page) + below(p, 12 + 2 * (size_t)(cells < 20 ? cells : 20)));
}

/* A pointer to a page becomes one to another: a child of an inner page, the next page of an overflowing cell or of the free list. */
static void change_pointer(patient *p)
{
    size_t page = choose_page(p), array = 0, at = 0;
    uint8_t *from = page_at(p, page);
    if (from == NULL) {
        return;
    }
    for (size_t tries = 0; tries < p->s->page_count; tries++) { /* inner pages are few: look for one */
        size_t other = (page + tries - 1) % p->s->page_count + 1;
        uint8_t *there = page_at(p, other);
        if (there != NULL && cells_of(there, other, &array) > 0 && array == tree_header(other) + 12) {
            page = other;
            from = there;
            break;
        }
    }
    unsigned cells = cells_of(from, page, &array);
    at = tree_header(page) + 8;
    if (cells > 0 && dice_percent(p->d, 70)) {
        size_t pointer = array + 2 * below(p, cells);
        at = pointer + 2 <= (size_t)p->s->page_bytes ? u16(from + pointer) : 0;
    }
    size_t target = dice_percent(p->d, 20) ? page : choose_page(p);
    if (at + 4 <= (size_t)p->s->page_bytes) {
        from[at] = from[at + 1] = 0;
        from[at + 2] = (uint8_t)(target >> 8);
        from[at + 3] = (uint8_t)target;
        say(p, " page %zu byte %zu: points to page %zu.", page, at, target);
    }
}

static void change_range(patient *p)
{
    size_t page = choose_page(p), at = below(p, (size_t)p->s->page_bytes), length = below(p, RANGE_MAX) + 1;
    uint8_t *from = page_at(p, page);
    int with = dice_below(p->d, 3);
    if (from == NULL) {
        return;
    }
    for (size_t i = 0; i < length && at + i < (size_t)p->s->page_bytes; i++) {
        from[at + i] = with == 0 ? 0 : with == 1 ? 0xff : (uint8_t)dice_next(p->d);
    }
    say(p, " page %zu bytes %zu to %zu: overwritten.", page, at, at + length - 1);
}

static void change_pages(patient *p)
{
    size_t one = choose_page(p), other = choose_page(p), page_bytes = (size_t)p->s->page_bytes;
    uint8_t *a = page_at(p, one), *b = page_at(p, other);
    if (a == NULL || b == NULL) {
        return;
    }
    switch (dice_below(p->d, 4)) {
    case 0:
        memset(a, 0, page_bytes);
        say(p, " page %zu: zeroed.", one);
        break;
    case 1:
        memmove(a, b, page_bytes);
        say(p, " page %zu: a copy of page %zu.", one, other);
        break;
    case 2: { /* part of another */
        size_t at = below(p, page_bytes), length = below(p, page_bytes - at) + 1;
        memmove(a + at, b + at, length);
        say(p, " page %zu bytes %zu to %zu: those of page %zu.", one, at, at + length - 1, other);
        break;
    }
    default:
        for (size_t i = 0; i < page_bytes; i++) {
            uint8_t byte = a[i];
            a[i] = b[i];
            b[i] = byte;
        }
        say(p, " pages %zu and %zu: swapped.", one, other);
    }
}

static void change_size(patient *p)
{
    size_t page_bytes = (size_t)p->s->page_bytes;
    if (dice_percent(p->d, 70)) {
        size_t size = below(p, p->size);
        p->size = dice_percent(p->d, 70) ? size / page_bytes * page_bytes : size;
        say(p, " cut to %zu bytes.", p->size);
    } else if (p->size <= p->s->size) {
        size_t more = below(p, DAMAGE_BYTES_MORE);
        for (size_t i = 0; i < more; i++) {
            p->bytes[p->size + i] = (uint8_t)dice_next(p->d);
        }
        p->size += more;
        say(p, " %zu bytes more.", more);
    }
}

/* A field of the first hundred bytes; sizes of pages and formats less often, since not much is read after that. */
static void change_header(patient *p)
{
    static const uint8_t fields[] = {24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 92};
    size_t at =
        dice_percent(p->d, 80) ? fields[below(p, sizeof fields)] + below(p, 4) : below(p, HEADER_BYTES);
    if (p->size >= HEADER_BYTES) {
        change_byte(p, 1, at);
    }
}

void damage(sim_dice *d, const shape *s, uint8_t *bytes, size_t *size, char *said, size_t said_bytes)
{
    patient p = {d, s, bytes, *size, said, said_bytes};
    said[0] = '\0';
    for (int changes = 0; changes == 0 || (changes < CHANGES_MAX && dice_percent(d, 45)); changes++) {
        int percent = dice_below(d, 100);
        if (percent < 45) {
            change_cell(&p);
        } else if (percent < 54) {
            change_tree(&p);
        } else if (percent < 62) {
            change_pointer(&p);
        } else if (percent < 74) {
            size_t page = choose_page(&p);
            change_byte(&p, page, below(&p, (size_t)s->page_bytes));
        } else if (percent < 84) {
            change_range(&p);
        } else if (percent < 93) {
            change_pages(&p);
        } else if (percent < 96) {
            change_header(&p);
        } else {
            change_size(&p);
        }
    }
    *size = p.size;
}
