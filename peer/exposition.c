#include "exposition.h"

#include "escape.h"

#include <inttypes.h>
#include <stdio.h>

enum { US = 1000000 };

void peer_exposition_family(sync_buf *to, const char *name, const char *type, const char *help)
{
    const char *const words[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        peer_escape_nothing(to, words[i]);
    }
}

/* A sample up to its value. */
static void begin(sync_buf *to, const char *name, const char *suffix, const peer_label *labels)
{
    peer_escape_nothing(to, name);
    peer_escape_nothing(to, suffix);
    for (const peer_label *l = labels; l != NULL && l->name != NULL; l++) {
        sync_buf_put_u8(to, l == labels ? '{' : ',');
        peer_escape_nothing(to, l->name);
        peer_escape_nothing(to, "=\"");
        peer_escape_label(to, l->value);
        sync_buf_put_u8(to, '"');
    }
    peer_escape_nothing(to, labels != NULL ? "} " : " ");
}

static void end_count(sync_buf *to, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64 "\n", value);
    peer_escape_nothing(to, text);
}

static void end_seconds(sync_buf *to, uint64_t us)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64 ".%06u\n", us / US, (unsigned)(us % US));
    peer_escape_nothing(to, text);
}

void peer_exposition_count(sync_buf *to, const char *name, const peer_label *labels, uint64_t value)
{
    begin(to, name, "", labels);
    end_count(to, value);
}

void peer_exposition_seconds(sync_buf *to, const char *name, const peer_label *labels, uint64_t us)
{
    begin(to, name, "", labels);
    end_seconds(to, us);
}

void peer_exposition_histogram(sync_buf *to, const char *name, const uint64_t buckets[PEER_BUCKETS + 1],
                               uint64_t sum_us)
{
    static const unsigned bounds_us[PEER_BUCKETS] = PEER_BUCKETS_US;
    uint64_t count = 0;
    for (int i = 0; i <= PEER_BUCKETS; i++) {
        char bound[16] = "+Inf";
        if (i < PEER_BUCKETS) {
            snprintf(bound, sizeof bound, "%u.%04u", bounds_us[i] / US, bounds_us[i] % US / 100);
        }
        count += buckets[i];
        begin(to, name, "_bucket", PEER_LABELS({"le", bound}));
        end_count(to, count);
    }
    begin(to, name, "_sum", NULL);
    end_seconds(to, sum_us);
    begin(to, name, "_count", NULL);
    end_count(to, count);
}
