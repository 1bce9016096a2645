/* Runs a fuzz target without libFuzzer: every file named (or in a directory named), and then a number of mutations of each, the same ones every
** time. It knows nothing of coverage: it keeps known findings from coming back, and shows that a target runs at all.
**
** usage: TARGET [-runs=N] [-seed=N] FILE|DIRECTORY...    -runs: mutations in all (default 0) */
#include "fuzz.h"

#include <dirent.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_BYTES_MAX = 1 << 20, CHANGES_MAX = 8 };

typedef struct input {
    uint8_t *data;
    size_t bytes;
} input;

static input *inputs;
static size_t input_count;
static uint64_t state = 1;

static uint64_t next(void)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return n > 0 ? (size_t)(next() % n) : 0;
}

static void read_file(const char *path)
{
    static uint8_t buffer[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    size_t bytes = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    inputs = realloc(inputs, (input_count + 1) * sizeof inputs[0]);
    uint8_t *copy = malloc(bytes + 1);
    FUZZ_CHECK(inputs != NULL && copy != NULL);
    memcpy(copy, buffer, bytes);
    inputs[input_count++] = (input){copy, bytes};
}

/* In the order of their names, whatever the file system says. */
static void read_path(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        struct dirent **names = NULL;
        int count = scandir(path, &names, NULL, alphasort);
        for (int i = 0; i < count; i++) {
            char inner[PATH_MAX];
            if (names[i]->d_name[0] != '.') {
                snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name);
                read_path(inner);
            }
            free(names[i]);
        }
        free(names);
    } else {
        read_file(path);
    }
}

/* One change of what is there: a bit, a byte, a number out of the corners, a range moved or left out or doubled, a piece of another input. */
static size_t change(uint8_t *data, size_t bytes)
{
    static const uint8_t corners[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
    size_t at = below(bytes), length = below(16) + 1;
    const input *other = &inputs[below(input_count)];
    size_t from = below(other->bytes);
    switch (bytes > 0 ? below(7) : 4) {
    case 0:
        data[at] ^= (uint8_t)(1u << below(8));
        return bytes;
    case 1:
        data[at] = corners[below(sizeof corners)];
        return bytes;
    case 2:
        data[at] = (uint8_t)next();
        return bytes;
    case 3: /* left out */
        length = length < bytes - at ? length : bytes - at;
        memmove(data + at, data + at + length, bytes - at - length);
        return bytes - length;
    case 4: /* a piece of another, put in */
        length = length < other->bytes - from ? length : other->bytes - from;
        length = length < INPUT_BYTES_MAX - bytes ? length : INPUT_BYTES_MAX - bytes;
        memmove(data + at + length, data + at, bytes - at);
        memcpy(data + at, other->data + from, length);
        return bytes + length;
    case 5: /* ... put over it */
        length = length < other->bytes - from ? length : other->bytes - from;
        length = length < bytes - at ? length : bytes - at;
        memcpy(data + at, other->data + from, length);
        return bytes;
    default: /* cut off */
        return at;
    }
}

#pragma weak LLVMFuzzerCustomMutator

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t max)
{
    FUZZ_CHECK(max == INPUT_BYTES_MAX);
    for (size_t c = below(CHANGES_MAX) + 1; c > 0; c--) {
        bytes = change(data, bytes);
    }
    return bytes;
}

/* What is run is a block of exactly its size, so that a sanitizer sees each byte read behind it. */
static void run(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

int main(int argc, char **argv)
{
    static uint8_t data[INPUT_BYTES_MAX];
    uint64_t runs = 0, done = 0;
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0) {
            runs = strtoull(argv[i] + 6, NULL, 10);
        } else if (strncmp(argv[i], "-seed=", 6) == 0) {
            state = strtoull(argv[i] + 6, NULL, 10);
        } else {
            read_path(argv[i]);
        }
    }
    for (size_t i = 0; i < input_count; i++, done++) {
        run(inputs[i].data, inputs[i].bytes);
    }
    for (uint64_t r = 0; input_count > 0 && r < runs; r++, done++) {
        const input *one = &inputs[r % input_count];
        size_t bytes = one->bytes;
        memcpy(data, one->data, bytes);
        bytes = LLVMFuzzerCustomMutator != NULL
                    ? LLVMFuzzerCustomMutator(data, bytes, sizeof data, (unsigned int)next())
                    : LLVMFuzzerMutate(data, bytes, sizeof data);
        run(data, bytes);
    }
    printf("%" PRIu64 " executions of %zu inputs\n", done, input_count);
    return input_count > 0 ? 0 : 2;
}
