#include "clock.h"

#include "limits.h"
#include "status.h"

/* First byte of a row clock, then of its extra byte (docs/FORMAT.md, "Row clock"). */
enum {
    CLOCK_DEAD = 0x01,
    CLOCK_SITE = 0x02, /* the site follows; otherwise it is SITE_IMPLIED */
    CLOCK_GENESIS = 0x04,
    CLOCK_CL = 0x08,
    CLOCK_BORN = 0x10,
    CLOCK_CELLS = 0x20,
    CLOCK_EXTRA = 0x40,
    CLOCK_UNUSED = 0x80
};
enum { EXTRA_HELD = 0x01, EXTRA_MOVED = 0x02, EXTRA_REFS = 0x04, EXTRA_NO_STAMP = 0x08, EXTRA_UNUSED = 0xf0 };

/* Low bits of an override's header; the column's distance to the previous one is above them. */
enum {
    CELL_ROW = 0,      /* the row's own stamp: a carried cell, or a column not covered */
    CELL_OWN = 1,      /* a stamp of its own follows */
    CELL_UNSET = 2,    /* a covered column that has no stamp */
    CELL_REPEATED = 3, /* the stamp that last followed */
    CELL_KIND = 3,
    CELL_CARRIED = 4,
    CELL_SHIFT = 3
};

/* The first site a file writes down is its own, and most rows are written there. */
#define SITE_IMPLIED 1

#define HLC_COUNTER_BITS 16
#define HLC_MS_MAX       ((INT64_C(1) << 48) - 1)

static const uint8_t *site_bytes(const sync_sites *sites, uint32_t site)
{
    static const uint8_t nobody[SYNC_SITE_BYTES];
    return site < sites->count ? sites->id[site] : nobody;
}

int sync_stamp_compare(const sync_sites *sites, sync_stamp a, sync_stamp b)
{
    if (a.written != b.written) {
        return a.written > b.written ? 1 : -1;
    }
    if (a.hlc != b.hlc) {
        return a.hlc > b.hlc ? 1 : -1;
    }
    if (a.site == b.site) {
        return 0;
    }
    return memcmp(site_bytes(sites, a.site), site_bytes(sites, b.site), SYNC_SITE_BYTES);
}

bool sync_stamp_is_none(sync_stamp a)
{
    return a.hlc == 0 && a.site == 0 && a.written == 0;
}

bool sync_stamp_equal(sync_stamp a, sync_stamp b)
{
    return a.hlc == b.hlc && a.site == b.site && a.written == b.written;
}

uint64_t sync_hlc_next(uint64_t last, int64_t at_ms, int64_t now_ms)
{
    int64_t ms = at_ms < now_ms ? at_ms : now_ms;
    ms = ms < 0 ? 0 : ms > HLC_MS_MAX ? HLC_MS_MAX : ms;
    uint64_t at = (uint64_t)ms << HLC_COUNTER_BITS;
    return at > last ? at : last + 1;
}

static void put_difference(sync_buf *buf, uint64_t hlc, uint64_t near)
{
    sync_buf_put_zigzag(buf, (int64_t)(hlc - near));
}

static uint64_t get_difference(sync_span *span, uint64_t near)
{
    return near + (uint64_t)sync_span_zigzag(span);
}

void sync_stamp_put(sync_buf *buf, sync_stamp stamp, uint64_t near)
{
    if (sync_stamp_is_none(stamp)) {
        sync_buf_put_u8(buf, 0);
    } else {
        sync_buf_put_varint(buf, 1 + ((uint64_t)stamp.site << 1 | stamp.written));
        put_difference(buf, stamp.hlc, near);
    }
}

sync_stamp sync_stamp_get(sync_span *span, uint64_t near, uint32_t sites_max)
{
    uint64_t who = sync_span_varint(span);
    if (who == 0) {
        return SYNC_STAMP_NONE;
    }
    uint64_t hlc = get_difference(span, near);
    bool written = ((who - 1) & 1) != 0;
    if ((who - 1) >> 1 >= sites_max || (hlc == 0 && !written)) {
        sync_span_fail(span, 0);
    }
    return span->bad ? SYNC_STAMP_NONE : (sync_stamp){hlc, (uint32_t)((who - 1) >> 1), written};
}

void sync_moved_put(sync_buf *buf, const sync_row *row, int64_t number)
{
    sync_buf_put_zigzag(buf, number);
    sync_stamp_put(buf, row->since, row->stamp.hlc);
}

void sync_moved_get(sync_span *span, sync_row *row, uint32_t sites_max, int64_t *number)
{
    row->moved = true;
    *number = sync_span_zigzag(span);
    row->since = sync_stamp_get(span, row->stamp.hlc, sites_max);
}

void sync_refs_put(sync_buf *buf, const sync_row *row)
{
    sync_buf_put_varint(buf, row->ref_count);
    for (uint32_t i = 0; i < row->ref_count; i++) {
        const sync_ref *ref = &row->refs[i];
        sync_buf_put_varint(buf, (uint64_t)(ref->col & ~SYNC_REF_KEY) << 1 | (ref->col >= SYNC_REF_KEY));
        sync_buf_put_zigzag(buf, ref->number);
        sync_stamp_put(buf, ref->born, row->stamp.hlc);
    }
}

int sync_refs_get(sync_span *span, sync_row *row, const sync_bounds *bounds)
{
    uint64_t count = sync_span_varint(span);
    if (count > SYNC_COLUMNS_MAX + SYNC_KEY_COLUMNS_MAX) {
        sync_span_fail(span, 0);
    }
    for (uint64_t i = 0; i < count && !span->bad; i++) {
        uint64_t where = sync_span_varint(span);
        bool key = (where & 1) != 0;
        if (where >> 1 >= (key ? bounds->keys : bounds->cols)) {
            sync_span_fail(span, 0);
            break;
        }
        sync_ref ref = {.col = (uint32_t)(where >> 1) | (key ? SYNC_REF_KEY : 0)};
        ref.number = sync_span_zigzag(span);
        ref.born = sync_stamp_get(span, row->stamp.hlc, bounds->sites);
        if (!span->bad && sync_row_add_ref(row, ref) != SYNC_OK) {
            return SYNC_NOMEM;
        }
    }
    return SYNC_OK;
}

/* How far down from column 0 the row's own stamp shall be taken for granted: where that saves more entries
** for columns that bear it than it costs for columns that are unset. */
static uint32_t choose_covers(const sync_row *row)
{
    uint32_t covers = 0;
    int64_t gain = 0;
    int64_t best = 0;
    uint32_t next = 0;
    for (uint32_t i = 0; i < row->count; i++) {
        const sync_cell *cell = &row->cells[i];
        gain -= cell->col - next;
        next = cell->col + 1;
        if (!cell->carried && sync_stamp_equal(cell->stamp, row->stamp) && ++gain > best) {
            best = gain;
            covers = next;
        }
    }
    return covers;
}

static bool is_covered(const sync_row *row, const sync_cell *cell, uint32_t covers)
{
    return cell->col < covers && !cell->carried && sync_stamp_equal(cell->stamp, row->stamp);
}

static uint32_t count_overrides(const sync_row *row, uint32_t covers)
{
    uint32_t plain = 0;
    uint32_t below = 0;
    for (uint32_t i = 0; i < row->count; i++) {
        plain += is_covered(row, &row->cells[i], covers);
        below += row->cells[i].col < covers;
    }
    return row->count - plain + (covers - below);
}

static void put_override(sync_buf *buf, const sync_row *row, const sync_cell *cell, uint32_t distance,
                         sync_stamp *repeated)
{
    unsigned kind = CELL_OWN;
    if (sync_stamp_equal(cell->stamp, row->stamp)) {
        kind = CELL_ROW;
    } else if (sync_stamp_equal(cell->stamp, *repeated)) {
        kind = CELL_REPEATED;
    }
    unsigned carried = cell->carried ? CELL_CARRIED : 0;
    sync_buf_put_varint(buf, (uint64_t)distance << CELL_SHIFT | carried | kind);
    if (kind == CELL_OWN) {
        sync_stamp_put(buf, cell->stamp, row->stamp.hlc);
        *repeated = cell->stamp;
    }
    if (cell->carried) {
        sync_value_put(buf, &cell->value);
    }
}

static void put_overrides(sync_buf *buf, const sync_row *row, uint32_t covers, uint32_t count)
{
    sync_stamp repeated = row->stamp;
    uint32_t col = 0;  /* every column below is done with */
    uint32_t next = 0; /* the column after the last entry */
    sync_buf_put_varint(buf, count);
    for (uint32_t i = 0; i <= row->count; i++) {
        uint32_t until = i < row->count ? row->cells[i].col : covers;
        for (; col < until && col < covers; col++) {
            sync_buf_put_varint(buf, (uint64_t)(col - next) << CELL_SHIFT | CELL_UNSET);
            next = col + 1;
        }
        if (i < row->count) {
            col = until + 1;
            if (!is_covered(row, &row->cells[i], covers)) {
                put_override(buf, row, &row->cells[i], until - next, &repeated);
                next = col;
            }
        }
    }
}

/* What a clock that does not say otherwise means. */
static uint64_t default_cl(bool dead)
{
    return dead ? 2 : 1;
}

/* What a clock says where the birth of a row is said: under identity key the origin of its life. */
static sync_stamp put_born(const sync_row *row, sync_identity identity)
{
    return identity == SYNC_BY_ROW ? row->born : row->origin;
}

static sync_stamp default_born(sync_identity identity, bool dead, sync_stamp stamp)
{
    return identity == SYNC_BY_ROW && !dead && stamp.written != 0 ? stamp : SYNC_STAMP_NONE;
}

void sync_clock_put(sync_buf *buf, const sync_row *row, sync_identity identity, uint64_t epoch)
{
    bool dead = !sync_row_alive(row);
    bool stamped = !sync_stamp_is_none(row->stamp);
    uint32_t covers = dead || !stamped ? 0 : choose_covers(row);
    uint32_t overrides = dead ? 0 : count_overrides(row, covers);
    bool born = (identity == SYNC_BY_ROW || (!dead && stamped)) &&
                !sync_stamp_equal(put_born(row, identity), default_born(identity, dead, row->stamp));
    unsigned extra = (row->held ? EXTRA_HELD : 0u) | (row->moved ? EXTRA_MOVED : 0u) |
                     (row->ref_count > 0 ? EXTRA_REFS : 0u) | (stamped ? 0u : EXTRA_NO_STAMP);
    unsigned flags = (dead ? CLOCK_DEAD : 0u) |
                     (stamped && row->stamp.site != SITE_IMPLIED ? CLOCK_SITE : 0u) |
                     (stamped && row->stamp.written == 0 ? CLOCK_GENESIS : 0u) |
                     (row->cl != default_cl(dead) ? CLOCK_CL : 0u) | (born ? CLOCK_BORN : 0u) |
                     (overrides > 0 ? CLOCK_CELLS : 0u) | (extra != 0 ? CLOCK_EXTRA : 0u);
    sync_buf_put_u8(buf, (uint8_t)flags);
    if (extra != 0) {
        sync_buf_put_u8(buf, (uint8_t)extra);
    }
    if ((flags & CLOCK_SITE) != 0) {
        sync_buf_put_varint(buf, row->stamp.site);
    }
    if (stamped) {
        put_difference(buf, row->stamp.hlc, epoch);
    }
    if ((flags & CLOCK_CL) != 0) {
        sync_buf_put_varint(buf, row->cl);
    }
    if (born) {
        sync_stamp_put(buf, put_born(row, identity), row->stamp.hlc);
    }
    if (!dead && stamped) {
        sync_buf_put_varint(buf, covers);
    }
    if (overrides > 0) {
        put_overrides(buf, row, covers, overrides);
    }
    if (row->moved) {
        sync_moved_put(buf, row, row->held ? row->number : row->birth);
    }
    if (row->ref_count > 0) {
        sync_refs_put(buf, row);
    }
}

void sync_clock_put_insert(sync_buf *buf, sync_stamp stamp, uint32_t covers, uint64_t epoch)
{
    bool site = stamp.site != SITE_IMPLIED;
    sync_buf_put_u8(buf, (uint8_t)((site ? CLOCK_SITE : 0u) | (stamp.written == 0 ? CLOCK_GENESIS : 0u)));
    if (site) {
        sync_buf_put_varint(buf, stamp.site);
    }
    put_difference(buf, stamp.hlc, epoch);
    sync_buf_put_varint(buf, covers);
}

bool sync_clock_get_insert(const void *blob, size_t bytes, uint64_t epoch, uint32_t sites_max,
                           sync_stamp *stamp, uint32_t *covers)
{
    sync_span span = sync_span_of(blob, bytes);
    unsigned flags = sync_span_u8(&span);
    if ((flags & ~(unsigned)(CLOCK_SITE | CLOCK_GENESIS)) != 0) {
        return false;
    }
    uint64_t site = (flags & CLOCK_SITE) != 0 ? sync_span_varint(&span) : SITE_IMPLIED;
    uint64_t hlc = get_difference(&span, epoch);
    uint64_t columns = sync_span_varint(&span);
    bool written = (flags & CLOCK_GENESIS) == 0;
    *stamp = (sync_stamp){hlc, (uint32_t)site, written};
    *covers = (uint32_t)columns;
    return !span.bad && span.at == span.end && site < sites_max && columns <= SYNC_COLUMNS_MAX &&
           (written || hlc != 0);
}

/* Appends a cell above all others; there must be room. */
static sync_cell *append(sync_row *row, uint32_t col, sync_stamp stamp)
{
    sync_cell *cell = &row->cells[row->count++];
    *cell = (sync_cell){.col = col, .stamp = stamp};
    return cell;
}

static void cover(sync_row *row, uint32_t *from, uint32_t until)
{
    for (; *from < until; (*from)++) {
        append(row, *from, row->stamp);
    }
}

/* One entry of the overrides. *next: the column after the last entry; *done: below which all are done with. */
static void get_override(sync_span *span, sync_row *row, uint32_t covers, const sync_bounds *bounds,
                         uint32_t *next, uint32_t *done, sync_stamp *repeated)
{
    uint64_t header = sync_span_varint(span);
    uint64_t col = *next + (header >> CELL_SHIFT);
    unsigned kind = header & CELL_KIND;
    bool carried = (header & CELL_CARRIED) != 0;
    if (col >= bounds->cols || (kind == CELL_UNSET && carried)) {
        sync_span_fail(span, 0);
        return;
    }
    *next = (uint32_t)col + 1;
    cover(row, done, (uint32_t)col < covers ? (uint32_t)col : covers);
    *done = *next;
    if (kind == CELL_UNSET) {
        return;
    }
    if (kind == CELL_OWN) {
        *repeated = sync_stamp_get(span, row->stamp.hlc, bounds->sites);
    }
    sync_cell *cell = append(row, (uint32_t)col, kind == CELL_ROW ? row->stamp : *repeated);
    if (sync_stamp_is_none(cell->stamp)) {
        sync_span_fail(span, 0);
    }
    if (carried) {
        cell->carried = true;
        cell->value = sync_value_get(span);
    }
}

static int get_cells(sync_span *span, sync_row *row, unsigned flags, const sync_bounds *bounds)
{
    uint64_t covers = sync_stamp_is_none(row->stamp) ? 0 : sync_span_varint(span);
    uint64_t count = (flags & CLOCK_CELLS) != 0 ? sync_span_varint(span) : 0;
    if (covers > bounds->cols || count > bounds->cols || count > sync_span_left(span)) {
        sync_span_fail(span, 0);
    }
    if (span->bad) {
        return SYNC_CORRUPT;
    }
    if (sync_row_room(row, (uint32_t)(covers + count)) != SYNC_OK) {
        return SYNC_NOMEM;
    }
    uint32_t next = 0;
    uint32_t done = 0;
    sync_stamp repeated = SYNC_STAMP_NONE;
    for (uint64_t i = 0; i < count && !span->bad; i++) {
        get_override(span, row, (uint32_t)covers, bounds, &next, &done, &repeated);
    }
    cover(row, &done, (uint32_t)covers);
    return SYNC_OK;
}

static void get_stamp(sync_span *span, sync_row *row, unsigned flags, unsigned extra, uint64_t epoch,
                      uint32_t sites_max)
{
    if ((extra & EXTRA_NO_STAMP) != 0) {
        if ((flags & (CLOCK_SITE | CLOCK_GENESIS)) != 0) {
            sync_span_fail(span, 0);
        }
        return;
    }
    uint64_t site = (flags & CLOCK_SITE) != 0 ? sync_span_varint(span) : SITE_IMPLIED;
    row->stamp.hlc = get_difference(span, epoch);
    row->stamp.written = (flags & CLOCK_GENESIS) == 0;
    if (site >= sites_max || (row->stamp.written == 0 && row->stamp.hlc == 0)) {
        sync_span_fail(span, 0);
        return;
    }
    row->stamp.site = (uint32_t)site;
}

static int get_clock(sync_span *span, sync_row *row, sync_identity identity, uint64_t epoch,
                     const sync_bounds *bounds)
{
    unsigned flags = sync_span_u8(span);
    unsigned extra = (flags & CLOCK_EXTRA) != 0 ? sync_span_u8(span) : 0;
    bool dead = (flags & CLOCK_DEAD) != 0;
    if ((flags & CLOCK_UNUSED) != 0 || (extra & EXTRA_UNUSED) != 0 || (dead && (flags & CLOCK_CELLS) != 0) ||
        (identity != SYNC_BY_ROW && (flags & CLOCK_BORN) != 0 && (dead || (extra & EXTRA_NO_STAMP) != 0))) {
        sync_span_fail(span, 0);
    }
    get_stamp(span, row, flags, extra, epoch, bounds->sites);
    row->cl = (flags & CLOCK_CL) != 0 ? sync_span_varint(span) : default_cl(dead);
    if (((row->cl & 1) == 0) != dead || row->cl == 0 || (identity == SYNC_BY_ROW && row->cl > 2)) {
        sync_span_fail(span, 0);
    }
    *(identity == SYNC_BY_ROW ? &row->born : &row->origin) =
        (flags & CLOCK_BORN) != 0 ? sync_stamp_get(span, row->stamp.hlc, bounds->sites)
                                  : default_born(identity, dead, row->stamp);
    row->held = (extra & EXTRA_HELD) != 0;
    int rc = dead ? SYNC_OK : get_cells(span, row, flags, bounds);
    if (rc == SYNC_OK && (extra & EXTRA_MOVED) != 0) {
        sync_moved_get(span, row, bounds->sites, row->held ? &row->number : &row->birth);
    }
    if (rc == SYNC_OK && (extra & EXTRA_REFS) != 0) {
        rc = sync_refs_get(span, row, bounds);
    }
    return rc == SYNC_OK && (span->bad || span->at != span->end) ? SYNC_CORRUPT : rc;
}

int sync_clock_get(sync_row *row, const void *blob, size_t bytes, sync_identity identity, uint64_t epoch,
                   const sync_bounds *bounds)
{
    sync_row_reset(row);
    sync_span span = sync_span_of(blob, bytes);
    int rc = get_clock(&span, row, identity, epoch, bounds);
    if (rc != SYNC_OK) {
        sync_row_reset(row);
    }
    return rc;
}
