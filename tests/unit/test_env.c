/* The real environment, in a directory of its own. */
#include "leaf_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "env.h"

#define WITNESS_BYTES 96

typedef struct place {
    char directory[64];
    char file[96];
    char witness[96];
} place;

static int set_up(void **state)
{
    static place p;
    strcpy(p.directory, "/tmp/sync-env-XXXXXX");
    if (mkdtemp(p.directory) == NULL) {
        return -1;
    }
    snprintf(p.file, sizeof p.file, "%s/a.db", p.directory);
    snprintf(p.witness, sizeof p.witness, "%s/a.db-sync", p.directory);
    int fd = open(p.file, O_CREAT | O_WRONLY | O_CLOEXEC, 0640);
    *state = &p;
    return fd < 0 || fchmod(fd, 0640) != 0 || close(fd) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    (void)unlink(p->witness);
    (void)unlink(p->file);
    return rmdir(p->directory); /* fails if anything was left behind */
}

static sync_witness make_witness(uint64_t count, bool clean)
{
    sync_witness w = {.site = "0123456789abcde", .count = count, .clean = clean};
    strcpy(w.boot, "5b1f3d4e-0000-1111-2222-333344445555");
    return w;
}

static void assert_witness(const place *p, const sync_witness *w)
{
    const sync_env *env = sync_env_get();
    sync_witness got;
    memset(&got, 0xee, sizeof got);
    assert_int_equal(env->witness_read(env->context, p->file, &got), 1);
    assert_memory_equal(got.site, w->site, sizeof got.site);
    assert_int_equal(got.count, w->count);
    assert_string_equal(got.boot, w->boot);
    assert_int_equal(got.clean, w->clean);
}

static void put_file(const char *path, const void *bytes, size_t count)
{
    (void)unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), (ssize_t)count);
    assert_int_equal(close(fd), 0);
}

static void test_witness_round_trip(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, false);
    sync_witness got;
    assert_int_equal(env->witness_read(env->context, p->file, &got), 0);
    for (int i = 0; i < 4; i++) {
        w = make_witness(UINT64_C(1) << (20 * i), i % 2 == 1);
        assert_int_equal(env->witness_write(env->context, p->file, &w, i >= 2), 0);
        assert_witness(p, &w);
        struct stat info;
        assert_int_equal(stat(p->witness, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0640);
        assert_int_equal(info.st_size, WITNESS_BYTES);
        if (i == 1) {
            assert_int_equal(env->witness_remove(env->context, p->file), 0);
            assert_int_equal(env->witness_remove(env->context, p->file), 0);
            assert_int_equal(env->witness_read(env->context, p->file, &got), 0);
        }
    }
    memset(w.boot, 'x', sizeof w.boot - 1);
    w.boot[sizeof w.boot - 1] = '\0';
    assert_int_equal(env->witness_write(env->context, p->file, &w, false), 0);
    assert_witness(p, &w);
    w.boot[0] = '\0';
    assert_int_equal(env->witness_write(env->context, p->file, &w, false), 0);
    assert_witness(p, &w);
}

static void test_witness_layout(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(0x0102, true);
    w.told = 0x0304;
    w.told_at = 0x0506;
    assert_int_equal(env->witness_write(env->context, p->file, &w, false), 0);
    uint8_t bytes[WITNESS_BYTES] = {0};
    int fd = open(p->witness, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, bytes, sizeof bytes), WITNESS_BYTES);
    assert_int_equal(close(fd), 0);
    assert_memory_equal(bytes, "SYNW\x01\x01\0\0", 8);
    assert_memory_equal(bytes + 8, w.site, 16);
    assert_memory_equal(bytes + 24, "\0\0\0\0\0\0\x01\x02", 8);
    assert_memory_equal(bytes + 32, "\0\0\0\0\0\0\x03\x04", 8);
    assert_memory_equal(bytes + 40, "\0\0\0\0\0\0\x05\x06", 8);
    assert_string_equal((const char *)bytes + 48, w.boot);
}

static void test_torn_or_foreign_is_none(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, true);
    sync_witness got;
    assert_int_equal(env->witness_write(env->context, p->file, &w, false), 0);
    uint8_t bytes[WITNESS_BYTES + 1] = {0};
    int fd = open(p->witness, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, bytes, WITNESS_BYTES), WITNESS_BYTES);
    assert_int_equal(close(fd), 0);
    for (size_t cut = 0; cut < WITNESS_BYTES; cut++) {
        put_file(p->witness, bytes, cut);
        assert_int_equal(env->witness_read(env->context, p->file, &got), 0);
    }
    put_file(p->witness, bytes, WITNESS_BYTES + 1);
    assert_int_equal(env->witness_read(env->context, p->file, &got), 0);
    for (size_t bit = 0; bit < WITNESS_BYTES * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        put_file(p->witness, bytes, WITNESS_BYTES);
        assert_int_equal(env->witness_read(env->context, p->file, &got), 0);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    /* What is in the way is replaced. */
    put_file(p->witness, "something else", 14);
    assert_int_equal(env->witness_write(env->context, p->file, &w, false), 0);
    assert_witness(p, &w);
}

static void test_never_through_a_link(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, true);
    sync_witness got;
    assert_int_equal(symlink(p->file, p->witness), 0);
    assert_int_equal(env->witness_read(env->context, p->file, &got), 0);
    assert_int_equal(env->witness_write(env->context, p->file, &w, false), 0);
    assert_witness(p, &w);
    struct stat info;
    assert_int_equal(stat(p->file, &info), 0);
    assert_int_equal(info.st_size, 0);
    /* Not even to what would be a witness. */
    char other[128];
    snprintf(other, sizeof other, "%s/b.db-sync", p->directory);
    assert_int_equal(rename(p->witness, other), 0);
    assert_int_equal(symlink(other, p->witness), 0);
    assert_int_equal(env->witness_read(env->context, p->file, &got), 0);
    w.count++;
    assert_int_equal(env->witness_write(env->context, p->file, &w, false), 0);
    assert_witness(p, &w);
    assert_int_equal(rename(other, p->witness), 0);
    w.count--;
    assert_witness(p, &w);
    assert_int_equal(unlink(p->witness), 0);
    assert_int_equal(mkfifo(p->witness, 0600), 0);
    assert_int_equal(env->witness_read(env->context, p->file, &got), 0); /* and does not wait */
    assert_int_equal(env->witness_write(env->context, p->file, &w, false), 0);
    assert_witness(p, &w);
}

static void test_no_file(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, true);
    uint64_t device = 0;
    uint64_t inode = 0;
    char path[128];
    snprintf(path, sizeof path, "%s/none.db", p->directory);
    assert_int_equal(env->identity(env->context, path, &device, &inode), -1);
    assert_int_equal(env->witness_write(env->context, path, &w, false), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(env->sync_file(env->context, path), 0);
    assert_int_equal(env->sync_file(env->context, p->file), 0);
}

static void test_too_long_a_path(void **state)
{
    (void)state;
    const sync_env *env = sync_env_get();
    static char path[5000];
    memset(path, 'x', sizeof path - 1);
    sync_witness w = make_witness(7, true);
    assert_int_equal(env->witness_read(env->context, path, &w), -1);
    assert_int_equal(env->witness_write(env->context, path, &w, false), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(env->witness_remove(env->context, path), -1);
}

/* A witness that could not be written in full is an error, and nothing of it stays beside the file. */
static void test_no_space(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, true);
    struct rlimit before, little;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = (struct rlimit){.rlim_cur = WITNESS_BYTES / 2, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (int there = 0; there < 2; there++) {
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
        int rc = env->witness_write(env->context, p->file, &w, true), why = errno;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(rc, -1);
        assert_int_equal(why, EFBIG);
        assert_int_equal(access(p->witness, F_OK), there ? 0 : -1);
        assert_int_equal(env->witness_write(env->context, p->file, &w, true), 0);
        assert_witness(p, &w);
    }
    (void)signal(SIGXFSZ, handler);
}

/* "I may not look" is not "there is none": that would be taken for a copied file. */
static void test_no_descriptors(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, true), got;
    char boot[40] = "x";
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(open(p->witness, O_RDONLY | O_CLOEXEC), -1);
    if (errno == ENOENT) { /* Valgrind lets the system open the file first, and looks at the limit then */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        skip();
    }
    int read_rc = env->witness_read(env->context, p->file, &got), read_errno = errno;
    int write_rc = env->witness_write(env->context, p->file, &w, false), write_errno = errno;
    int sync_rc = env->sync_file(env->context, p->file);
    int boot_rc = env->boot(env->context, boot);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(read_rc == -1 && read_errno == EMFILE);
    assert_true(write_rc == -1 && write_errno == EMFILE);
    assert_int_equal(sync_rc, -1);
    assert_int_equal(boot_rc, -1);
    assert_string_equal(boot, "");
}

/* A file may have a name that leaves no room for its witness, or for what that is renamed from. */
static void test_too_long_a_name(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, true);
    char path[PATH_MAX], name[NAME_MAX + 1] = {0};
    memset(name, 'x', NAME_MAX - strlen("-sync"));
    snprintf(path, sizeof path, "%s/%s", p->directory, name);
    put_file(path, "", 0);
    assert_int_equal(env->witness_write(env->context, path, &w, false), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(unlink(path), 0);

    size_t length = (size_t)snprintf(path, sizeof path, "%s", p->directory);
    while (length < PATH_MAX - strlen("/a.db-sync.XXXXX") - 1) {
        length += (size_t)snprintf(path + length, sizeof path - length, "/.");
    }
    snprintf(path + length, sizeof path - length, "/a.db");
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(env->witness_write(env->context, path, &w, false), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

static void test_a_directory_in_the_way(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, true), got;
    char inside[128];
    assert_int_equal(mkdir(p->witness, 0700), 0);
    assert_int_equal(env->witness_read(env->context, p->file, &got), 0);
    assert_int_equal(env->witness_write(env->context, p->file, &w, false), -1);
    assert_int_equal(env->witness_remove(env->context, p->file), -1);
    assert_int_equal(rmdir(p->witness), 0);
    snprintf(inside, sizeof inside, "%s/inside", p->file);
    assert_int_equal(env->sync_file(env->context, inside), -1);
    assert_int_equal(errno, ENOTDIR);
}

static void test_a_relative_path(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, true);
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(here >= 0);
    assert_int_equal(chdir(p->directory), 0);
    int rc = env->witness_write(env->context, "a.db", &w, true);
    assert_int_equal(fchdir(here), 0);
    assert_int_equal(close(here), 0);
    assert_int_equal(rc, 0);
    assert_witness(p, &w);
}

/* Somebody who may write to the file, though it is not his, writes its witness too. What he could not make durable is an error. */
static void test_the_file_of_another(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    sync_witness w = make_witness(7, true);
    if (geteuid() != 0) {
        skip(); /* only root can be two users */
    }
    const uid_t nobody = 65534;
    assert_int_equal(chown(p->directory, nobody, (gid_t)-1), 0);
    assert_int_equal(seteuid(nobody), 0);
    int rc = env->witness_write(env->context, p->file, &w, true);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(rc, 0);
    assert_witness(p, &w);

    assert_int_equal(unlink(p->witness), 0);
    assert_int_equal(chmod(p->directory, 0300),
                     0); /* what is in it may be written, but it cannot be opened */
    assert_int_equal(seteuid(nobody), 0);
    rc = env->witness_write(env->context, p->file, &w, true);
    int why = errno;
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(why, EACCES);
}

static void test_identity(void **state)
{
    const place *p = *state;
    const sync_env *env = sync_env_get();
    struct stat info;
    uint64_t device = 0;
    uint64_t inode = 0;
    assert_int_equal(stat(p->file, &info), 0);
    assert_int_equal(env->identity(env->context, p->file, &device, &inode), 0);
    assert_true(device == (uint64_t)info.st_dev && inode == (uint64_t)info.st_ino);
}

static void test_clock_and_randomness(void **state)
{
    (void)state;
    const sync_env *env = sync_env_get();
    int64_t seconds = (int64_t)time(NULL);
    int64_t now = env->now_ms(env->context);
    assert_true(now / 1000 >= seconds && now / 1000 <= (int64_t)time(NULL));
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    assert_int_equal(env->random(env->context, a, sizeof a), 0);
    assert_int_equal(env->random(env->context, b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
    char boot[40];
    memset(boot, 'x', sizeof boot);
    int rc = env->boot(env->context, boot);
    assert_non_null(memchr(boot, '\0', sizeof boot));
    assert_int_equal(rc, boot[0] != '\0' ? 0 : -1);
    assert_null(strchr(boot, '\n'));
}

static int64_t noon(void *context)
{
    return *(int64_t *)context;
}

static void test_another_environment(void **state)
{
    (void)state;
    const sync_env *real = sync_env_get();
    int64_t at = 12;
    sync_env other = *real;
    other.context = &at;
    other.now_ms = noon;
    sync_env_set(&other);
    const sync_env *env = sync_env_get();
    assert_int_equal(env->now_ms(env->context), 12);
    sync_env_set(NULL);
    assert_ptr_equal(sync_env_get(), real);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_witness_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_witness_layout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn_or_foreign_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_never_through_a_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_space, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_long_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_directory_in_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_relative_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_file_of_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_identity, set_up, tear_down),
        cmocka_unit_test(test_too_long_a_path),
        cmocka_unit_test(test_clock_and_randomness),
        cmocka_unit_test(test_another_environment),
    };
    return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
