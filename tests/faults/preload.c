/*
 * Loaded with LD_PRELOAD: takes the place of the C library's functions that touch files, and for those below $FAULTS_ROOT makes faults
 * ($FAULTS_CONTROL, see preload-control.c) and records every change with its data ($FAULTS_RECORD, see preload-recorder.c). What is written to
 * $FAULTS_ACKS is recorded in its turn too, and suffers no faults.
 *
 * Not seen: system calls made without the C library, what stdio writes, and what is written through shared mappings (these are recorded as
 * having been made, so that whoever reads the recording knows).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "preload.h"

#define PIECE 65536

/* The names with 64 are the same functions where off_t has 64 bits; nothing is built here where it has not. */
_Static_assert(sizeof(off_t) == 8, "off_t has 64 bits");
#define SAME(name, other) extern __typeof__(name) other __attribute__((alias(#name)))

static int fail_with(int error) {
  errno = error;
  return -1;
}

static bool suffers(const char *relative, struct attempt attempt) {
  const int error = suffer(relative, &attempt);
  errno = error == 0 ? errno : error;
  return error != 0;
}

/* ---- opening and closing */

static void track(int fd, enum place place, const char *relative, int flags, bool is_created) {
  const struct file file = {place, next_handle(), flags, intern(relative)};
  remember_file(fd, &file);
  if (place == IN_ROOT && is_recording()) {
    struct stat stats = {0};
    fstat(fd, &stats);
    const unsigned marks = (is_created ? FLAG_CREATED : 0) | (flags & O_TRUNC ? FLAG_TRUNCATED : 0) | (flags & O_DSYNC ? FLAG_DURABLE : 0) |
                           (S_ISDIR(stats.st_mode) ? FLAG_DIRECTORY : 0);
    record_path(&(struct event){.kind = KIND_OPEN, .flags = marks, .reference = file.handle, .a = stats.st_size}, relative, NULL);
  }
}

/* A path may lead into the root through a link. */
static enum place place_of_open(int fd, char *relative) {
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return ELSEWHERE;
  path[length] = 0;
  return path[0] == '/' ? place_of(AT_FDCWD, path, relative) : ELSEWHERE;
}

static int open_at(int dirfd, const char *path, int flags, mode_t mode) {
  char relative[PATH_MAX];
  const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
  if (!is_our_process() || (flags & O_PATH) != 0) return REAL(openat)(dirfd, path, flags, mode);
  enum place place = place_of(dirfd, path, relative);
  if (place == ELSEWHERE) {
    const int fd = REAL(openat)(dirfd, path, flags, mode);
    if (fd >= 0 && writes && (place = place_of_open(fd, relative)) != ELSEWHERE) track(fd, place, relative, flags, false);
    return fd;
  }
  struct stat stats;
  if (place == IN_ROOT) {
    const bool creates = (flags & O_CREAT) != 0 && fstatat(dirfd, path, &stats, 0) != 0;
    if ((flags & O_TMPFILE) == O_TMPFILE) give_up("O_TMPFILE is not recorded");
    if (suffers(relative, (struct attempt){OP_OPEN, .writes = writes, .creates = creates})) return -1;
  }
  lock_names();
  const bool exists = fstatat(dirfd, path, &stats, 0) == 0;
  const int fd = REAL(openat)(dirfd, path, flags, mode);
  const int error = errno;
  if (fd >= 0) track(fd, place, relative, flags, !exists);
  unlock_names();
  errno = error;
  return fd;
}

#define MODE_OF(flags)                                   \
  mode_t mode = 0;                                       \
  if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { \
    va_list args;                                        \
    va_start(args, flags);                               \
    mode = va_arg(args, mode_t);                         \
    va_end(args);                                        \
  }

int open(const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_at(AT_FDCWD, path, flags, mode);
}
int openat(int dirfd, const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_at(dirfd, path, flags, mode);
}
int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int __open_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __openat_2(int dirfd, const char *path, int flags) { return open_at(dirfd, path, flags, 0); }
SAME(open, open64);
SAME(openat, openat64);
SAME(creat, creat64);
SAME(__open_2, __open64_2);
SAME(__openat_2, __openat64_2);

int close(int fd) {
  /* Before it: a moment later the number may be another thread's. */
  if (is_our_process()) forget_file(fd);
  return REAL(close)(fd);
}

int dup(int fd) {
  const int other = REAL(dup)(fd);
  if (other >= 0 && is_our_process()) copy_file(fd, other);
  return other;
}
int dup2(int fd, int other) {
  const int result = REAL(dup2)(fd, other);
  if (result >= 0 && fd != other && is_our_process()) copy_file(fd, other);
  return result;
}
int dup3(int fd, int other, int flags) {
  const int result = REAL(dup3)(fd, other, flags);
  if (result >= 0 && is_our_process()) copy_file(fd, other);
  return result;
}
int fcntl(int fd, int command, ...) {
  va_list args;
  va_start(args, command);
  void *argument = va_arg(args, void *);
  va_end(args);
  const int result = REAL(fcntl)(fd, command, argument);
  if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && result >= 0 && is_our_process()) copy_file(fd, result);
  return result;
}
SAME(fcntl, fcntl64);

/* ---- reading */

static ssize_t read_from(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
  struct file file;
  if (find_file(fd, &file) && file.place == IN_ROOT && suffers(file.path, (struct attempt){OP_READ, .nowait = (flags & RWF_NOWAIT) != 0})) {
    return -1;
  }
  if (flags != 0) return REAL(preadv2)(fd, parts, count, offset, flags);
  return offset < 0 ? REAL(readv)(fd, parts, count) : REAL(preadv)(fd, parts, count, offset);
}

ssize_t read(int fd, void *into, size_t length) {
  struct file file;
  if (!find_file(fd, &file)) return REAL(read)(fd, into, length);
  return read_from(fd, &(struct iovec){into, length}, 1, -1, 0);
}
ssize_t pread(int fd, void *into, size_t length, off_t offset) {
  struct file file;
  if (offset < 0 || !find_file(fd, &file)) return REAL(pread)(fd, into, length, offset);
  return read_from(fd, &(struct iovec){into, length}, 1, offset, 0);
}
ssize_t readv(int fd, const struct iovec *parts, int count) { return read_from(fd, parts, count, -1, 0); }
ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset) {
  return offset < 0 ? REAL(preadv)(fd, parts, count, offset) : read_from(fd, parts, count, offset, 0);
}
ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
  return read_from(fd, parts, count, offset, flags);
}
ssize_t __read_chk(int fd, void *into, size_t length, size_t room) { return length > room ? fail_with(EFAULT) : read(fd, into, length); }
ssize_t __pread_chk(int fd, void *into, size_t length, off_t offset, size_t room) {
  return length > room ? fail_with(EFAULT) : pread(fd, into, length, offset);
}
SAME(pread, pread64);
SAME(preadv, preadv64);
SAME(preadv2, preadv64v2);
SAME(__pread_chk, __pread64_chk);

/* ---- writing */

static ssize_t really_write(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
  if (flags != 0) return REAL(pwritev2)(fd, parts, count, offset, flags);
  return offset < 0 ? REAL(writev)(fd, parts, count) : REAL(pwritev)(fd, parts, count, offset);
}

/* As good as taken where the file has a block for each of its bytes; which of them lacks one is not asked. */
static bool takes_space(int fd, off_t end) {
  struct stat stats;
  return fstat(fd, &stats) == 0 && (end > stats.st_size || (off_t)stats.st_blocks * 512 < stats.st_size);
}

static off_t position_of(int fd, const struct file *file) {
  struct stat stats;
  if ((file->flags & O_APPEND) != 0) return fstat(fd, &stats) == 0 ? stats.st_size : -1;
  return lseek(fd, 0, SEEK_CUR);
}

static ssize_t write_to(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
  struct file file;
  size_t total = 0;
  if (!find_file(fd, &file) || count < 0) return really_write(fd, parts, count, offset, flags);
  for (int i = 0; i < count; i++) total += parts[i].iov_len;
  if (file.place == ACKS) {
    record(&(struct event){.kind = KIND_ACK}, parts, count);
    return really_write(fd, parts, count, offset, flags);
  }
  if ((flags & ~(RWF_DSYNC | RWF_SYNC | RWF_HIPRI | RWF_NOWAIT)) != 0) give_up("these flags of pwritev2 are not recorded: %d", flags);
  const off_t expected = offset < 0 || (file.flags & O_APPEND) != 0 ? position_of(fd, &file) : offset;
  const struct attempt attempt = {OP_WRITE, .writes = true, .creates = takes_space(fd, expected + (off_t)total)};
  const int error = suffer(file.path, &attempt);
  if (error != 0) return fail_with(error);
  const bool is_durable = (file.flags & O_DSYNC) != 0 || (flags & (RWF_DSYNC | RWF_SYNC)) != 0;
  if (is_durable && suffers(file.path, (struct attempt){OP_SYNC, .writes = true})) return -1;
  if (!is_recording()) return really_write(fd, parts, count, offset, flags);
  const struct event event = {.kind = KIND_WRITE, .flags = is_durable ? FLAG_DURABLE : 0, .reference = file.handle, .a = expected};
  const uint64_t begun = record(&event, parts, count);
  const ssize_t result = really_write(fd, parts, count, offset, flags);
  const int outcome = errno;
  /* Where it went shows only afterwards. */
  const off_t went = offset < 0 && result > 0 ? lseek(fd, 0, SEEK_CUR) - result : expected;
  record_end(begun, result, went);
  errno = outcome;
  return result;
}

ssize_t write(int fd, const void *from, size_t length) {
  struct file file;
  if (!find_file(fd, &file)) return REAL(write)(fd, from, length);
  return write_to(fd, &(struct iovec){(void *)from, length}, 1, -1, 0);
}
ssize_t pwrite(int fd, const void *from, size_t length, off_t offset) {
  struct file file;
  if (offset < 0 || !find_file(fd, &file)) return REAL(pwrite)(fd, from, length, offset);
  return write_to(fd, &(struct iovec){(void *)from, length}, 1, offset, 0);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { return write_to(fd, parts, count, -1, 0); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return offset < 0 ? REAL(pwritev)(fd, parts, count, offset) : write_to(fd, parts, count, offset, 0);
}
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) { return write_to(fd, parts, count, offset, flags); }
SAME(pwrite, pwrite64);
SAME(pwritev, pwritev64);
SAME(pwritev2, pwritev64v2);

/* Its copies within the kernel would not be recorded; callers have another way where there is none. */
ssize_t copy_file_range(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t length, unsigned flags) {
  struct file file;
  if (find_file(out, &file)) return fail_with(ENOSYS);
  return REAL(copy_file_range)(in, in_offset, out, out_offset, length, flags);
}
ssize_t sendfile(int out, int in, off_t *offset, size_t length) {
  struct file file;
  char piece[PIECE];
  if (!find_file(out, &file)) return REAL(sendfile)(out, in, offset, length);
  const size_t wanted = length < sizeof piece ? length : sizeof piece;
  const ssize_t got = offset == NULL ? REAL(read)(in, piece, wanted) : REAL(pread)(in, piece, wanted, *offset);
  if (got <= 0) return got;
  const ssize_t written = write_to(out, &(struct iovec){piece, (size_t)got}, 1, -1, 0);
  if (written > 0 && offset != NULL) *offset += written;
  if (offset == NULL && written < got) lseek(in, (written < 0 ? 0 : written) - got, SEEK_CUR);
  return written;
}
SAME(sendfile, sendfile64);

/* ---- syncing and sizes */

static int sync_file(int fd, bool is_data_only) {
  struct file file;
  const bool is_ours = find_file(fd, &file) && file.place == IN_ROOT;
  if (is_ours && suffers(file.path, (struct attempt){OP_SYNC, .writes = true})) return -1;
  const uint64_t begun =
      is_ours ? record(&(struct event){.kind = KIND_SYNC, .flags = is_data_only ? FLAG_DATA_ONLY : 0, .reference = file.handle}, NULL, 0) : 0;
  const int result = is_data_only ? REAL(fdatasync)(fd) : REAL(fsync)(fd);
  const int error = errno;
  if (is_ours) record_end(begun, result, 0);
  errno = error;
  return result;
}
int fsync(int fd) { return sync_file(fd, false); }
int fdatasync(int fd) { return sync_file(fd, true); }

int syncfs(int fd) {
  const uint64_t begun = is_our_process() ? record(&(struct event){.kind = KIND_SYNC_ALL}, NULL, 0) : 0;
  const int result = REAL(syncfs)(fd);
  if (is_our_process()) record_end(begun, result, 0);
  return result;
}

int ftruncate(int fd, off_t length) {
  struct file file;
  if (!find_file(fd, &file) || file.place != IN_ROOT) return REAL(ftruncate)(fd, length);
  /* Larger is a hole, which takes no space. */
  if (suffers(file.path, (struct attempt){OP_WRITE, .writes = true})) return -1;
  const uint64_t begun = record(&(struct event){.kind = KIND_TRUNCATE, .reference = file.handle, .a = length}, NULL, 0);
  const int result = REAL(ftruncate)(fd, length);
  const int error = errno;
  record_end(begun, result, 0);
  errno = error;
  return result;
}
int truncate(const char *path, off_t length) {
  char relative[PATH_MAX];
  if (!is_our_process() || place_of(AT_FDCWD, path, relative) != IN_ROOT) return REAL(truncate)(path, length);
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const int result = ftruncate(fd, length);
  const int error = errno;
  close(fd);
  errno = error;
  return result;
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
  struct file file;
  if (!find_file(fd, &file) || file.place != IN_ROOT) return REAL(fallocate)(fd, mode, offset, length);
  const bool creates = (mode & FALLOC_FL_PUNCH_HOLE) == 0 && takes_space(fd, offset + length);
  if (suffers(file.path, (struct attempt){OP_WRITE, .writes = true, .creates = creates})) return -1;
  if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) return fail_with(EOPNOTSUPP);
  const struct event event = {.kind = KIND_FALLOCATE, .flags = (unsigned)mode << 8, .reference = file.handle, .a = offset, .b = length};
  const uint64_t begun = record(&event, NULL, 0);
  const int result = REAL(fallocate)(fd, mode, offset, length);
  const int error = errno;
  record_end(begun, result, 0);
  errno = error;
  return result;
}
int posix_fallocate(int fd, off_t offset, off_t length) {
  struct file file;
  if (!find_file(fd, &file)) return REAL(posix_fallocate)(fd, offset, length);
  return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
}
SAME(ftruncate, ftruncate64);
SAME(truncate, truncate64);
SAME(fallocate, fallocate64);
SAME(posix_fallocate, posix_fallocate64);

/* ---- the room on a disk */

static _Thread_local off_t taken;

static int count_taken(const char *path, const struct stat *stats, int kind, struct FTW *where) {
  (void)path, (void)kind, (void)where;
  taken += stats->st_blocks * 512;
  return 0;
}

int statfs(const char *path, struct statfs *stats) {
  char relative[PATH_MAX];
  struct room room = {0};
  const bool is_in = place_of(AT_FDCWD, path, relative) == IN_ROOT && is_our_process();
  if (is_in && suffers(relative, (struct attempt){OP_OPEN})) return -1;
  if (REAL(statfs)(path, stats) != 0) return -1;
  if (is_in) room_of(relative, &room);
  if (room.mebibytes > 0) {
    taken = 0;
    nftw(path, count_taken, 16, FTW_PHYS);
    const off_t size = (off_t)room.mebibytes << 20;
    stats->f_blocks = (fsblkcnt_t)(size / stats->f_bsize);
    stats->f_bavail = stats->f_bfree = taken < size ? (fsblkcnt_t)((size - taken) / stats->f_bsize) : 0;
  }
  if (room.is_full) stats->f_bavail = stats->f_bfree = 0;
  return 0;
}
/* The same structure under another name, where off_t has 64 bits. */
int statfs64(const char *path, struct statfs64 *stats) { return statfs(path, (struct statfs *)stats); }

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  struct file file;
  void *mapped = REAL(mmap)(address, length, protection, flags, fd, offset);
  const bool is_shared = (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
  if (mapped != MAP_FAILED && fd >= 0 && is_shared && (protection & PROT_WRITE) != 0 && find_file(fd, &file) && file.place == IN_ROOT) {
    record(&(struct event){.kind = KIND_MAPPED, .reference = file.handle}, NULL, 0);
  }
  return mapped;
}
SAME(mmap, mmap64);

/* ---- names */

struct naming {
  enum kind kind;
  int dirfd;
  const char *path;
  int other_dirfd;
  const char *other; /* NULL where there is one name only */
  bool creates;
};

/* Whether the change is to be recorded; then the names are locked until `named` is called with how it went. */
static int before_naming(const struct naming *naming, char *relative, char *other) {
  if (!is_our_process()) return 0;
  const bool is_in = place_of(naming->dirfd, naming->path, relative) == IN_ROOT;
  if (naming->other == NULL) {
    if (!is_in) return 0;
  } else {
    const bool is_other_in = place_of(naming->other_dirfd, naming->other, other) == IN_ROOT;
    if (!is_in && !is_other_in) return 0;
    if (is_in != is_other_in && naming->kind != KIND_SYMLINK) give_up("a name moves across the root: %s to %s", naming->path, naming->other);
    if (suffers(other, (struct attempt){OP_NAME, .writes = true, .creates = naming->creates})) return -1;
  }
  if (is_in && suffers(relative, (struct attempt){OP_NAME, .writes = true, .creates = naming->creates})) return -1;
  lock_names();
  return 1;
}

static int named(const struct naming *naming, int result, const char *relative, const char *other) {
  const int error = errno;
  if (result == 0 && is_recording()) record_path(&(struct event){.kind = naming->kind}, relative, naming->other == NULL ? NULL : other);
  unlock_names();
  errno = error;
  return result;
}

#define NAME(description, call)                                      \
  char relative[PATH_MAX] = "";                                   \
  char other[PATH_MAX] = "";                                      \
  const struct naming what = description;                             \
  const int turn = before_naming(&what, relative, other);         \
  if (turn <= 0) return turn < 0 ? -1 : (call);                   \
  return named(&what, (call), relative, other);
#define OF(...) {__VA_ARGS__}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  if ((flags & ~RENAME_NOREPLACE) != 0) return fail_with(EINVAL);
  NAME(OF(KIND_RENAME, from_dir, from, to_dir, to), REAL(renameat2)(from_dir, from, to_dir, to, flags))
}
int renameat(int from_dir, const char *from, int to_dir, const char *to) { return renameat2(from_dir, from, to_dir, to, 0); }
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int dirfd, const char *path, int flags) {
  NAME(OF((flags & AT_REMOVEDIR) != 0 ? KIND_RMDIR : KIND_UNLINK, dirfd, path), REAL(unlinkat)(dirfd, path, flags))
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int dirfd, const char *path, mode_t mode) {
  NAME(OF(KIND_MKDIR, dirfd, path, .creates = true), REAL(mkdirat)(dirfd, path, mode))
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

char *mkdtemp(char *path) {
  char relative[PATH_MAX] = "";
  const struct naming what = {KIND_MKDIR, AT_FDCWD, path, .creates = true};
  const int turn = before_naming(&what, relative, relative);
  if (turn < 0) return NULL;
  char *made = REAL(mkdtemp)(path);
  if (turn > 0) {
    if (made != NULL) place_of(AT_FDCWD, path, relative);
    named(&what, made == NULL ? -1 : 0, relative, NULL);
  }
  return made;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  NAME(OF(KIND_LINK, from_dir, from, to_dir, to, true), REAL(linkat)(from_dir, from, to_dir, to, flags))
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* What it names need not exist, and is kept as it was given. */
int symlinkat(const char *target, int dirfd, const char *path) {
  char relative[PATH_MAX] = "";
  const struct naming what = {KIND_SYMLINK, dirfd, path, .creates = true};
  const int turn = before_naming(&what, relative, relative);
  if (turn <= 0) return turn < 0 ? -1 : REAL(symlinkat)(target, dirfd, path);
  const int result = REAL(symlinkat)(target, dirfd, path);
  const int error = errno;
  if (result == 0 && is_recording()) record_path(&(struct event){.kind = KIND_SYMLINK}, relative, target);
  unlock_names();
  errno = error;
  return result;
}
int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

/* ---- system calls by number */

/* libuv makes some calls by their number, such as closing. */
long syscall(long number, ...) {
  va_list args;
  va_start(args, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(args, long);
  va_end(args);
  switch (number) {
    case SYS_close:
      return close((int)a[0]);
    case SYS_dup3:
      return dup3((int)a[0], (int)a[1], (int)a[2]);
    case SYS_copy_file_range:
      return copy_file_range((int)a[0], (off64_t *)a[1], (int)a[2], (off64_t *)a[3], (size_t)a[4], (unsigned)a[5]);
    case SYS_preadv2:
      return preadv2((int)a[0], (const struct iovec *)a[1], (int)a[2], a[3], (int)a[5]);
    case SYS_pwritev2:
      return pwritev2((int)a[0], (const struct iovec *)a[1], (int)a[2], a[3], (int)a[5]);
    case SYS_renameat2:
      return renameat2((int)a[0], (const char *)a[1], (int)a[2], (const char *)a[3], (unsigned)a[4]);
    case SYS_fsync:
      return fsync((int)a[0]);
    case SYS_fdatasync:
      return fdatasync((int)a[0]);
    default:
      break;
  }
  return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
