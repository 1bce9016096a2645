/* Medians of paired ratios, as a table for people and as JSON. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { RUNS_MAX = 64 };

/* What a figure is counted in: times the plain phase `against`, bytes more than plain, or times zstd of CSV. */
typedef enum unit { TIMES_PLAIN, BYTES_MORE, TIMES_CSV } unit;

typedef struct figure {
    const char *name;
    unit unit;
    phase phase, against;
    double target[KEY_KINDS];
} figure;

static const figure figures[] = {
    {"tracked insert", TIMES_PLAIN, PHASE_INSERT, PHASE_INSERT, {1.9, 1.5}},
    {"tracked update, 1 column", TIMES_PLAIN, PHASE_UPDATE_1, PHASE_UPDATE_1, {2.2, 1.7}},
    {"tracked update, 4 columns", TIMES_PLAIN, PHASE_UPDATE_4, PHASE_UPDATE_4, {1.8, 1.7}},
    {"tracked delete", TIMES_PLAIN, PHASE_DELETE, PHASE_DELETE, {1.9, 1.5}},
    {"one-row transactions", TIMES_PLAIN, PHASE_ONE_ROW, PHASE_ONE_ROW, {1.65, 1.4}},
    {"fold", TIMES_PLAIN, PHASE_FOLD, PHASE_INSERT, {0.8, 0.7}},
    {"changeset of all rows", TIMES_PLAIN, PHASE_GATHER, PHASE_INSERT, {0.8, 0.9}},
    {"apply to an empty file", TIMES_PLAIN, PHASE_MERGE, PHASE_INSERT, {2.5, 3.0}},
    {"metadata, bytes per row", BYTES_MORE, PHASES, PHASES, {48, 115}},
    {"changeset bytes / zstd -3 of CSV", TIMES_CSV, PHASES, PHASES, {1.2, 1.2}},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static const double adopt_target_ms = 10;
static const char *const key_names[KEY_KINDS] = {"integer", "text"};

typedef struct spread {
    double low, median, high;
} spread;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static spread spread_of(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    double upper = values[count / 2], lower = values[(count - 1) / 2];
    return (spread){values[0], (lower + upper) / 2, values[count - 1]};
}

/* The figure for each pair first, then the median: what slows the machine down slows both halves of a pair. */
static spread figure_of(const options *o, const figure *f, const run_result *plain, const run_result *tracked,
                        double csv_bytes)
{
    double values[RUNS_MAX];
    for (int i = 0; i < o->runs; i++) {
        switch (f->unit) {
        case TIMES_PLAIN:
            values[i] = tracked[i].us[f->phase] / plain[i].us[f->against];
            break;
        case BYTES_MORE:
            values[i] = (tracked[i].file_bytes - plain[i].file_bytes) / o->rows;
            break;
        case TIMES_CSV:
            values[i] = tracked[i].change_bytes / csv_bytes;
            break;
        }
    }
    return spread_of(values, o->runs);
}

static double median_us(const options *o, const run_result *runs, phase p)
{
    double values[RUNS_MAX];
    for (int i = 0; i < o->runs; i++) {
        values[i] = runs[i].us[p];
    }
    return spread_of(values, o->runs).median;
}

static const char *verdict(double value, double target)
{
    return value <= target ? "pass" : value <= target * 1.1 ? "within 10 %" : "MISS";
}

/* ---- JSON ---- */

static void json_item(report *r)
{
    fputs(r->comma ? ",\n    " : "\n    ", r->json);
    r->comma = true;
}

static void json_figure(report *r, const options *o, key_kind key, const figure *f, const contender *who,
                        spread s, double plain_us)
{
    if (r->json == NULL) {
        return;
    }
    json_item(r);
    fprintf(r->json, "{\"figure\": \"%s\", \"key\": \"%s\", \"system\": \"%s\", ", f->name, key_names[key],
            who->driver->name);
    if (f->unit == TIMES_PLAIN) {
        fprintf(r->json, "\"plain_us\": %.3f, ", plain_us);
    }
    fprintf(r->json, "\"low\": %.3f, \"median\": %.3f, \"high\": %.3f", s.low, s.median, s.high);
    if (who == &o->contenders[0]) {
        fprintf(r->json, ", \"target\": %g, \"verdict\": \"%s\"", f->target[key],
                verdict(s.median, f->target[key]));
    }
    fputs("}", r->json);
}

/* The kind of machine, not its name. */
static void machine_text(char out[256])
{
    char line[256], cpu[128] = "unknown processor";
    FILE *info = fopen("/proc/cpuinfo", "r");
    while (info && fgets(line, sizeof line, info)) {
        if (strncmp(line, "model name", 10) == 0) {
            const char *colon = strchr(line, ':');
            snprintf(cpu, sizeof cpu, "%.*s", colon ? (int)strcspn(colon + 2, "\n") : 0,
                     colon ? colon + 2 : "");
            break;
        }
    }
    if (info) {
        fclose(info);
    }
    long gib = sysconf(_SC_PHYS_PAGES) / 1024 * (sysconf(_SC_PAGESIZE) / 1024) / 1024;
    struct utsname name;
    snprintf(out, 256, "%s, %ld processors, %ld GiB, %s", cpu, sysconf(_SC_NPROCESSORS_ONLN), gib,
             uname(&name) == 0 ? name.machine : "?");
}

report report_begin(const options *o)
{
    report r = {0};
    const char *measured = o->cpu_time ? "cpu" : "wall";
    char machine[256], date[32];
    machine_text(machine);
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &utc));
    printf("%s; %s; SQLite %s; %d rows, %d paired runs, %s time\n", date, machine, sqlite3_libversion(),
           o->rows, o->runs, measured);
    if (o->json) {
        r.json = fopen(o->json, "w");
        if (r.json == NULL) {
            die("%s: cannot write", o->json);
        }
        fprintf(r.json,
                "{\n  \"date\": \"%s\",\n  \"machine\": \"%s\",\n  \"sqlite\": \"%s\",\n  \"rows\": %d,\n"
                "  \"runs\": %d,\n  \"clock\": \"%s\",\n  \"figures\": [",
                date, machine, sqlite3_libversion(), o->rows, o->runs, measured);
    }
    return r;
}

void report_end(report *r)
{
    if (r->json) {
        fputs("\n  ]\n}\n", r->json);
        if (fclose(r->json) != 0) {
            die("the JSON file cannot be written");
        }
        r->json = NULL;
    }
}

/* ---- table ---- */

static void print_heading(const options *o, const char *title)
{
    printf("\n%-34s %10s %10s %15s %8s  %-11s", title, "plain, us", o->contenders[0].driver->name, "low-high",
           "target", "");
    for (int c = 1; c < o->contender_count; c++) {
        printf(" %10s", o->contenders[c].driver->name);
    }
    putchar('\n');
}

void report_key(report *r, const options *o, key_kind key, const run_result *plain, const run_result *tracked,
                double csv_bytes)
{
    char title[64];
    snprintf(title, sizeof title, "%s key", key_names[key]);
    print_heading(o, title);
    for (int i = 0; i < FIGURES; i++) {
        const figure *f = &figures[i];
        double plain_us = f->unit == TIMES_PLAIN ? median_us(o, plain, f->against) : 0;
        printf("%-34s ", f->name);
        if (f->unit == TIMES_PLAIN) {
            printf("%10.2f", plain_us);
        } else {
            printf("%10s", "");
        }
        for (int c = 0; c < o->contender_count; c++) {
            const contender *who = &o->contenders[c];
            if (f->phase == PHASE_FOLD && who->driver->fold == NULL) {
                printf(" %10s", "-");
                continue;
            }
            spread s = figure_of(o, f, plain, tracked + c * o->runs, csv_bytes);
            json_figure(r, o, key, f, who, s, plain_us);
            printf(" %10.2f", s.median);
            if (c == 0) {
                printf(" %7.2f-%-7.2f %8.2f  %-11s", s.low, s.high, f->target[key],
                       verdict(s.median, f->target[key]));
            }
        }
        putchar('\n');
    }
    fflush(stdout);
}

static spread way_of(const options *o, const run_result *plain, const run_result *tracked, phase p, way how)
{
    double values[RUNS_MAX];
    for (int i = 0; i < o->runs; i++) {
        values[i] = tracked[i].way_us[how][p] / plain[i].way_us[how][p];
    }
    return spread_of(values, o->runs);
}

void report_ways(report *r, const options *o, key_kind key, const run_result *plain, const run_result *ours,
                 const run_result *bare)
{
    static const char *const ways[WAYS] = {"loop in C", "file in the cache", "one statement"};
    const struct {
        const char *name;
        const run_result *runs;
    } systems[] = {{o->contenders[0].driver->name, ours}, {"bare trigger", bare}};
    printf("\n%-45s %10s %15s %12s\n", "  the writes, other ways of measuring", systems[0].name, "low-high",
           systems[1].name);
    for (way how = WAY_LOOP; how < WAYS; how++) {
        for (phase p = PHASE_INSERT; p <= PHASE_DELETE; p++) {
            printf("%s, %-*s", figures[p].name, 43 - (int)strlen(figures[p].name), ways[how]);
            for (int i = 0; i < 2; i++) {
                spread s = way_of(o, plain, systems[i].runs, p, how);
                if (i == 0) {
                    printf(" %10.2f %7.2f-%-7.2f", s.median, s.low, s.high);
                } else {
                    printf(" %12.2f\n", s.median);
                }
                if (r->json && (i || how != WAY_LOOP)) {
                    json_item(r);
                    fprintf(
                        r->json,
                        "{\"figure\": \"%s\", \"way\": \"%s\", \"key\": \"%s\", \"system\": \"%s\", \"low\": "
                        "%.3f, \"median\": %.3f, \"high\": %.3f}",
                        figures[p].name, ways[how], key_names[key], systems[i].name, s.low, s.median, s.high);
                }
            }
        }
    }
    fflush(stdout);
}

void report_adopt(report *r, const options *o, const double *ms)
{
    print_heading(o, "adoption");
    printf("adopt a table of %8d rows, ms   ", o->adopt_rows);
    for (int c = 0; c < o->contender_count; c++) {
        if (c == 0) {
            printf("%10s %10.2f %15s %8.2f  %-11s", "", ms[0], "", adopt_target_ms,
                   verdict(ms[0], adopt_target_ms));
        } else {
            printf(" %10.2f", ms[c]);
        }
        if (r->json) {
            json_item(r);
            fprintf(r->json,
                    "{\"figure\": \"adopt, ms\", \"rows\": %d, \"system\": \"%s\", \"median\": %.3f}",
                    o->adopt_rows, o->contenders[c].driver->name, ms[c]);
        }
    }
    putchar('\n');
}

/* ---- scenes ---- */

static double median_of(const double *values, int count)
{
    double sorted[RUNS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    return spread_of(sorted, count).median;
}

void report_scene(report *r, const options *o, const scene *s, int runs, const double *plain,
                  const double *tracked)
{
    double ratio[RUNS_MAX];
    if (!r->scenes) {
        r->scenes = true;
        printf("\n%-48s %7s %10s", "other shapes of work; times plain", "unit", "plain");
        for (int c = 0; c < o->contender_count; c++) {
            printf(" %11s", o->contenders[c].driver->name);
        }
        putchar('\n');
    }
    printf("%-40s %7d %7s %10.2f", s->name, scene_size(o, s), s->unit, median_of(plain, runs));
    for (int c = 0; c < o->contender_count; c++) {
        if (c > 0 && s->ours) {
            printf(" %11s", "-");
            continue;
        }
        for (int i = 0; i < runs; i++) {
            ratio[i] = tracked[c * runs + i] / plain[i];
        }
        spread times = spread_of(ratio, runs);
        printf(" %11.2f", times.median);
        if (s->target > 0) {
            printf("  (target %.2f: %s)", s->target, verdict(times.median, s->target));
        }
        if (r->json) {
            json_item(r);
            fprintf(r->json,
                    "{\"scene\": \"%s\", \"size\": %d, \"unit\": \"%s\", \"system\": \"%s\", \"plain\": "
                    "%.3f, \"measured\": %.3f, \"low\": %.3f, \"median\": %.3f, \"high\": %.3f}",
                    s->name, scene_size(o, s), s->unit, o->contenders[c].driver->name, median_of(plain, runs),
                    median_of(tracked + c * runs, runs), times.low, times.median, times.high);
        }
    }
    putchar('\n');
    fflush(stdout);
}
