#include "claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Between opening and locking it may have been taken away, or finished. */
static bool is_ours(int fd, const char *name)
{
    struct stat st, at;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &st) != 0 || lstat(name, &at) != 0) {
        return false;
    }
    errno = EEXIST;
    return S_ISREG(st.st_mode) && st.st_nlink == 1 && at.st_ino == st.st_ino && at.st_dev == st.st_dev;
}

int peer_claim(const char *name, mode_t mode)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
    if (fd >= 0 && !is_ours(fd, name)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}
