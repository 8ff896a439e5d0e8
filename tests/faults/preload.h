/*
 * What the parts of the library share. None of them calls the functions that preload.c takes the place of, except through REAL: its own doings
 * must neither be recorded nor suffer the faults that it makes.
 */
#ifndef PRELOAD_H
#define PRELOAD_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The function of this name that would have been called without us. */
#define REAL(name)                                                   \
  ({                                                                 \
    static __typeof__(&name) real_;                                  \
    if (real_ == NULL) real_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    real_;                                                           \
  })

/* A test whose faults or recording are not what it thinks proves nothing: whatever is not understood ends the process. */
void give_up(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- files (preload-files.c) */

enum place { ELSEWHERE, IN_ROOT, ACKS };

struct file {
  enum place place;
  uint64_t handle; /* of this opening, for the recording */
  int flags;       /* it was opened with */
  const char *path; /* below the root; never freed */
};

/* Where `path`, seen from the folder `dirfd`, is; `relative` (PATH_MAX bytes) gets it as seen from the root, without a slash before it. */
enum place place_of(int dirfd, const char *path, char *relative);
void remember_file(int fd, const struct file *file);
void forget_file(int fd);
void copy_file(int from, int to);
/* False where the descriptor is none of ours. */
bool find_file(int fd, struct file *found);
/* False in a child between fork and exec, which may share our memory and has other descriptors. */
bool is_our_process(void);
/* Kept for ever: one copy of each path that was ever opened. */
const char *intern(const char *path);

/* ---- faults (preload-control.c) */

enum operation { OP_OPEN = 1, OP_READ = 2, OP_WRITE = 4, OP_SYNC = 8, OP_NAME = 16 };

struct attempt {
  enum operation operation;
  bool writes;  /* of OP_OPEN: for writing. Of OP_NAME: always */
  bool creates; /* makes something that takes space */
  bool nowait;  /* must not block: RWF_NOWAIT */
};

/* Waits as the faults on this path say. Answers 0 or the errno to fail with. */
int suffer(const char *relative, const struct attempt *attempt);
/* What the faults make of the disk that a path is on. */
struct room {
  bool is_full;   /* nothing that takes new space would succeed */
  long mebibytes; /* its size; 0 where it is what it is */
};
void room_of(const char *relative, struct room *room);
void open_control(const char *path);

/* ---- the recording (preload-recorder.c) */

enum kind {
  KIND_END = 1,
  KIND_OPEN = 2,
  KIND_WRITE = 3,
  KIND_SYNC = 4,
  KIND_TRUNCATE = 5,
  KIND_FALLOCATE = 6,
  KIND_RENAME = 7,
  KIND_UNLINK = 8,
  KIND_MKDIR = 9,
  KIND_RMDIR = 10,
  KIND_LINK = 11,
  KIND_SYMLINK = 12,
  KIND_MAPPED = 13,
  KIND_ACK = 14,
  KIND_SYNC_ALL = 15,
};

enum { FLAG_DURABLE = 1, FLAG_CREATED = 2, FLAG_DATA_ONLY = 4, FLAG_DIRECTORY = 8, FLAG_TRUNCATED = 16 };

struct event {
  enum kind kind;
  unsigned flags;
  uint64_t reference; /* a handle, or of KIND_END the place of what ended */
  int64_t a;
  int64_t b;
};

void open_recording(const char *path);
bool is_recording(void);
uint64_t next_handle(void);
/* Appends; answers its place, which is also its turn: what happened before stands before it. */
uint64_t record(const struct event *event, const struct iovec *data, int count);
void record_end(uint64_t begun, int64_t result, int64_t offset);
void record_path(const struct event *event, const char *path, const char *second);
/* What changes names is done and recorded by one thread at a time. */
void lock_names(void);
void unlock_names(void);

#endif
