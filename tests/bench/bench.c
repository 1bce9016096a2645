/* Runs the workload on plain SQLite and on each extension by turns, and reports the ratios. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: bench [options] EXTENSION\n"
                            "  EXTENSION            path of sync_ext.so\n"
                            "  --against NAME=PATH  measure this extension too (may be repeated); NAME:";
static const char usage_rest[] =
    "\n"
    "  --rows N             rows of the workload (200000)\n"
    "  --runs N             paired runs, 1 to 64 (7)\n"
    "  --transactions N     one-row transactions per run (2000)\n"
    "  --adopt-rows N       rows of the table to adopt, 0: skip (1000000)\n"
    "  --scenes N           work of other shapes, in per cent of its full size, 0: skip (100)\n"
    "  --scene TEXT         only that whose name contains TEXT\n"
    "  --key integer|text|none  only this kind of key; none: only what comes after the main workload\n"
    "  --clock wall|cpu     what is measured (wall); cpu, without waiting, where others use the machine too\n"
    "  --dir PATH           where the files go (default: a new directory under TMPDIR)\n"
    "  --json PATH          also write the figures as JSON\n";

static void print_usage(FILE *out)
{
    fputs(usage, out);
    driver_names(out);
    fputs(usage_rest, out);
}

static int number_of(const char *text, int min, int max)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < min || value > max) {
        die("%s: not a number from %d to %d", text, min, max);
    }
    return (int)value;
}

static void add_contender(options *o, char *text)
{
    char *path = strchr(text, '=');
    if (path == NULL) {
        die("--against needs NAME=PATH");
    }
    *path++ = 0;
    const driver *d = driver_find(text);
    if (d == NULL) {
        print_usage(stderr);
        die("%s: no driver for it", text);
    }
    if (o->contender_count == sizeof o->contenders / sizeof *o->contenders) {
        die("too many extensions");
    }
    o->contenders[o->contender_count++] = (contender){d, path};
}

static void parse(options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        if (strcmp(arg, "--help") == 0) {
            print_usage(stdout);
            exit(0);
        }
        if (strncmp(arg, "--", 2) != 0) {
            o->contenders[0].path = arg;
            continue;
        }
        char *value = i + 1 < argc ? argv[++i] : NULL;
        if (value == NULL) {
            die("%s needs a value", arg);
        } else if (strcmp(arg, "--against") == 0) {
            add_contender(o, value);
        } else if (strcmp(arg, "--rows") == 0) {
            o->rows = number_of(value, 1, 10000000);
        } else if (strcmp(arg, "--runs") == 0) {
            o->runs = number_of(value, 1, 64);
        } else if (strcmp(arg, "--transactions") == 0) {
            o->one_row_transactions = number_of(value, 1, 10000000);
        } else if (strcmp(arg, "--adopt-rows") == 0) {
            o->adopt_rows = number_of(value, 0, 100000000);
        } else if (strcmp(arg, "--scenes") == 0) {
            o->scenes = number_of(value, 0, 1000);
        } else if (strcmp(arg, "--scene") == 0) {
            o->scene = value;
        } else if (strcmp(arg, "--key") == 0) {
            o->key[KEY_INTEGER] = strcmp(value, "integer") == 0;
            o->key[KEY_TEXT] = strcmp(value, "text") == 0;
        } else if (strcmp(arg, "--clock") == 0) {
            o->cpu_time = strcmp(value, "cpu") == 0;
        } else if (strcmp(arg, "--dir") == 0) {
            o->dir = value;
        } else if (strcmp(arg, "--json") == 0) {
            o->json = value;
        } else {
            print_usage(stderr);
            die("unknown option %s", arg);
        }
    }
    if (o->contenders[0].path == NULL) {
        print_usage(stderr);
        exit(2);
    }
}

/* Plain, the contenders and bare triggers by turns, every other round backwards, so that a drift of the machine favours nobody. */
static void measure_key(report *r, const options *o, const workload *w, key_kind key)
{
    size_t runs = (size_t)o->runs, lanes = (size_t)o->contender_count + 2;
    run_result *all = calloc(runs * lanes, sizeof *all);
    if (all == NULL) {
        die("out of memory");
    }
    for (size_t run = 0; run < runs; run++) {
        for (size_t turn = 0; turn < lanes; turn++) {
            size_t lane = run % 2 ? lanes - 1 - turn : turn;
            const contender *who = lane == 0 ? NULL : lane == lanes - 1 ? &o->bare : &o->contenders[lane - 1];
            all[lane * runs + run] = run_once(o, w, key, who);
        }
        if (isatty(STDERR_FILENO)) {
            fprintf(stderr, "\rrun %zu of %zu ", run + 1, runs);
        }
    }
    if (isatty(STDERR_FILENO)) {
        fputs("\r               \r", stderr);
    }
    report_key(r, o, key, all, all + runs, workload_csv_bytes(w, key));
    report_ways(r, o, key, all, all + runs, all + (lanes - 1) * runs);
    free(all);
}

static void measure_scene(report *r, const options *o, const workload *w, const scene *s)
{
    int runs = s->runs < o->runs ? s->runs : o->runs, size = scene_size(o, s);
    double *all = calloc((size_t)(runs * (o->contender_count + 1)), sizeof *all);
    if (all == NULL) {
        die("out of memory");
    }
    for (int run = 0; run < runs; run++) {
        for (int lane = 0; lane <= (s->ours ? 1 : o->contender_count); lane++) {
            all[lane * runs + run] = s->run(o, w, lane ? &o->contenders[lane - 1] : NULL, size);
        }
    }
    report_scene(r, o, s, runs, all, all + runs);
    free(all);
}

int main(int argc, char **argv)
{
    options o = {.rows = 200000,
                 .runs = 7,
                 .one_row_transactions = 2000,
                 .adopt_rows = 1000000,
                 .scenes = 100,
                 .key = {true, true},
                 .contenders = {{driver_find("sync_ext"), NULL}},
                 .contender_count = 1,
                 .bare = {&bare_triggers, NULL}};
    parse(&o, argc, argv);
    if (o.cpu_time) {
        use_cpu_time();
    }
    char made[4096] = "";
    if (o.dir == NULL) {
        const char *tmp = getenv("TMPDIR");
        snprintf(made, sizeof made, "%s/bench.XXXXXX", tmp ? tmp : "/tmp");
        o.dir = mkdtemp(made);
        if (o.dir == NULL) {
            die("%s: cannot make a directory", made);
        }
    }
    workload w = workload_make(o.rows);
    report r = report_begin(&o);
    for (key_kind key = KEY_INTEGER; key < KEY_KINDS; key++) {
        if (o.key[key]) {
            measure_key(&r, &o, &w, key);
        }
    }
    if (o.adopt_rows) {
        double ms[sizeof o.contenders / sizeof *o.contenders];
        for (int c = 0; c < o.contender_count; c++) {
            ms[c] = adopt_ms(&o, &o.contenders[c]);
        }
        report_adopt(&r, &o, ms);
    }
    for (int i = 0; o.scenes && i < scene_count; i++) {
        if (o.scene == NULL || strstr(scenes[i].name, o.scene)) {
            measure_scene(&r, &o, &w, &scenes[i]);
        }
    }
    report_end(&r);
    workload_free(&w);
    if (*made) {
        rmdir(made);
    }
    return 0;
}
