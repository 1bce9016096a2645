/* The real environment while calls of the system fail, are interrupted, or do half of what they were asked: the linker puts what stands here before them. */
#include "leaf_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "env.h"

/* What the next calls of one name do, a letter each: 'i' interrupted, 'f' fails, 'h' does half, '0' does nothing, '.' as always. */
typedef struct plan {
    const char *next;
    int error;
} plan;

static plan clock_calls, random_calls, read_calls, write_calls, stat_calls, owner_calls, mode_calls;

/* -1, with errno: the call fails. 0: half of it. 1: it is done. 2: it does nothing. */
static int step(plan *p)
{
    char what = p->next && *p->next ? *p->next++ : '.';
    errno = what == 'i' ? EINTR : what == 'f' ? p->error : errno;
    return what == 'i' || what == 'f' ? -1 : what == 'h' ? 0 : what == '0' ? 2 : 1;
}

static size_t part(int step, size_t bytes)
{
    return step == 0 && bytes > 1 ? bytes / 2 : bytes;
}

int __real_clock_gettime(clockid_t clock, struct timespec *to);
int __wrap_clock_gettime(clockid_t clock, struct timespec *to);
ssize_t __real_getrandom(void *to, size_t bytes, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t bytes, unsigned flags);
ssize_t __real_pread(int fd, void *to, size_t bytes, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t bytes, off_t at);
ssize_t __real_pwrite(int fd, const void *from, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *from, size_t bytes, off_t at);
int __real_fstat(int fd, struct stat *to);
int __wrap_fstat(int fd, struct stat *to);
int __real_fchown(int fd, uid_t owner, gid_t group);
int __wrap_fchown(int fd, uid_t owner, gid_t group);
int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);

int __wrap_clock_gettime(clockid_t clock, struct timespec *to)
{
    return step(&clock_calls) < 0 ? -1 : __real_clock_gettime(clock, to);
}

ssize_t __wrap_getrandom(void *to, size_t bytes, unsigned flags)
{
    int how = step(&random_calls);
    return how < 0 ? -1 : how == 2 ? 0 : __real_getrandom(to, part(how, bytes), flags);
}

ssize_t __wrap_pread(int fd, void *to, size_t bytes, off_t at)
{
    int how = step(&read_calls);
    return how < 0 ? -1 : how == 2 ? 0 : __real_pread(fd, to, part(how, bytes), at);
}

ssize_t __wrap_pwrite(int fd, const void *from, size_t bytes, off_t at)
{
    int how = step(&write_calls);
    return how < 0 ? -1 : how == 2 ? 0 : __real_pwrite(fd, from, part(how, bytes), at);
}

int __wrap_fstat(int fd, struct stat *to)
{
    return step(&stat_calls) < 0 ? -1 : __real_fstat(fd, to);
}

int __wrap_fchown(int fd, uid_t owner, gid_t group)
{
    return step(&owner_calls) < 0 ? -1 : __real_fchown(fd, owner, group);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    return step(&mode_calls) < 0 ? -1 : __real_fchmod(fd, mode);
}

/* ---- tests ---- */

static char directory[] = "/tmp/sync-env-calls-XXXXXX";
static char file[100], witness[100];
static const sync_witness meant = {.site = "0123456789abcde", .count = 7, .told = 3, .clean = true};

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    snprintf(file, sizeof file, "%s/a.db", directory);
    snprintf(witness, sizeof witness, "%s/a.db-sync", directory);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : close(fd);
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(witness);
    (void)unlink(file);
    return rmdir(directory); /* fails if anything was left behind */
}

static int start(void **state)
{
    (void)state;
    clock_calls = random_calls = read_calls = write_calls = stat_calls = owner_calls = mode_calls = (plan){0};
    (void)unlink(witness);
    return 0;
}

static int write_it(void)
{
    const sync_env *env = sync_env_get();
    return env->witness_write(env->context, file, &meant, false);
}

static int read_it(sync_witness *to)
{
    const sync_env *env = sync_env_get();
    return env->witness_read(env->context, file, to);
}

static void assert_written(void)
{
    sync_witness got;
    assert_int_equal(read_it(&got), 1);
    assert_memory_equal(got.site, meant.site, sizeof got.site);
    assert_int_equal(got.count, meant.count);
}

static void test_no_clock(void **state)
{
    (void)state;
    const sync_env *env = sync_env_get();
    clock_calls = (plan){"f", EINVAL};
    assert_int_equal(env->now_ms(env->context), 0);
    assert_true(env->now_ms(env->context) > 0);
}

static void test_randomness_in_pieces(void **state)
{
    (void)state;
    const sync_env *env = sync_env_get();
    uint8_t bytes[64] = {0};
    uint32_t zeros = 0;
    random_calls = (plan){"ih0ihh", 0};
    assert_int_equal(env->random(env->context, bytes, sizeof bytes), 0);
    for (size_t i = 0; i < sizeof bytes; i++) {
        zeros += bytes[i] == 0;
    }
    assert_true(zeros < sizeof bytes / 4); /* all of it was filled */
    random_calls = (plan){"hf", ENOSYS};
    assert_int_equal(env->random(env->context, bytes, sizeof bytes), -1);
}

static void test_a_boot_id_that_cannot_be_read(void **state)
{
    (void)state;
    const sync_env *env = sync_env_get();
    char boot[40];
    memset(boot, 'x', sizeof boot);
    read_calls = (plan){"f", EIO};
    assert_int_equal(env->boot(env->context, boot), -1);
    assert_string_equal(boot, "");
    read_calls = (plan){"0", 0};
    assert_int_equal(env->boot(env->context, boot), -1);
    read_calls = (plan){"ihih", 0};
    assert_int_equal(env->boot(env->context, boot), 0);
    assert_int_equal(strlen(boot), 36);
}

static void test_a_witness_in_pieces(void **state)
{
    (void)state;
    write_calls = (plan){"ihi0h", 0};
    assert_int_equal(write_it(), 0); /* made */
    read_calls = (plan){"hih", 0};
    assert_written();
    write_calls = (plan){"hih", 0};
    assert_int_equal(write_it(), 0); /* and written over */
    assert_written();
}

static void test_a_witness_that_cannot_be_read(void **state)
{
    (void)state;
    sync_witness got;
    assert_int_equal(write_it(), 0);
    read_calls = (plan){"hf", EIO};
    assert_int_equal(read_it(&got), -1);
    assert_int_equal(errno, EIO);
    stat_calls = (plan){"f", EIO};
    assert_int_equal(read_it(&got), 0); /* what is not known to be one is none */
    read_calls = (plan){"0", 0};        /* it was cut short meanwhile; the next try finds it whole */
    assert_int_equal(read_it(&got), 1);
}

static void test_a_witness_that_cannot_be_made(void **state)
{
    (void)state;
    struct {
        plan *calls;
        int error, result;
    } cases[] = {{&owner_calls, EPERM, 0}, /* whoever may not give it away keeps it */
                 {&owner_calls, EIO, -1},
                 {&mode_calls, EPERM, -1},
                 {&write_calls, ENOSPC, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)unlink(witness);
        *cases[i].calls = (plan){"f", cases[i].error};
        assert_int_equal(write_it(), cases[i].result);
        if (cases[i].result != 0) {
            assert_int_equal(errno, cases[i].error);
            assert_int_equal(access(witness, F_OK), -1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_no_clock, start),
        cmocka_unit_test_setup(test_randomness_in_pieces, start),
        cmocka_unit_test_setup(test_a_boot_id_that_cannot_be_read, start),
        cmocka_unit_test_setup(test_a_witness_in_pieces, start),
        cmocka_unit_test_setup(test_a_witness_that_cannot_be_read, start),
        cmocka_unit_test_setup(test_a_witness_that_cannot_be_made, start),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
