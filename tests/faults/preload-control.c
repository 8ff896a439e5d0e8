/*
 * Faults, told by the file $FAULTS_CONTROL. A line is a fault, for some of them a number of milliseconds, and a path below the root:
 *
 *   hang /root/drive-3          every call on it waits until the line is gone
 *   slow-sync 50ms /root        every fsync takes 50 ms longer
 *   eio-read /root/drive-1/x    reads fail
 *   enospc /root/journal        nothing that takes new space succeeds, and statfs tells of none; what is written over space that is taken does
 *   room 450MiB /root/drive-2   statfs tells of a disk of this size, with nothing on it but what is below the path; nothing fails
 *   erofs /root/index           the file system was remounted read-only: what was not on the disk yet does not get there
 *
 * hang, slow and eio may end in -open, -read, -write, -sync or -name, and mean every call without. The file is looked at at most every 5 ms, and
 * must be replaced by a rename.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "preload.h"

#define LOOK_EVERY_NS 5000000
#define POLL_NS 2000000

enum fault { HANG, SLOW, FAIL, NO_SPACE, READ_ONLY, ROOM };

struct rule {
  enum fault fault;
  unsigned operations;
  long milliseconds;
  long mebibytes;
  char path[PATH_MAX];
};

struct rules {
  size_t count;
  struct rule list[];
};

static const char *control;
static _Atomic(struct rules *) current;
static _Atomic int64_t looked_at;
static pthread_mutex_t look_lock = PTHREAD_MUTEX_INITIALIZER;
static struct stat seen;

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_ns(int64_t ns) {
  struct timespec left = {ns / 1000000000, ns % 1000000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

static bool parse_fault(const char *word, struct rule *rule) {
  static const struct { const char *name; unsigned operation; } operations[] = {
      {"-open", OP_OPEN}, {"-read", OP_READ}, {"-write", OP_WRITE}, {"-sync", OP_SYNC}, {"-name", OP_NAME}};
  static const struct { const char *name; enum fault fault; } faults[] = {{"hang", HANG}, {"slow", SLOW}, {"eio", FAIL}};
  rule->operations = OP_OPEN | OP_READ | OP_WRITE | OP_SYNC | OP_NAME;
  if (strcmp(word, "enospc") == 0) return rule->fault = NO_SPACE, true;
  if (strcmp(word, "room") == 0) return rule->fault = ROOM, true;
  if (strcmp(word, "erofs") == 0) return rule->fault = READ_ONLY, true;
  for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
    const size_t length = strlen(faults[f].name);
    if (strncmp(word, faults[f].name, length) != 0) continue;
    rule->fault = faults[f].fault;
    if (word[length] == 0) return true;
    for (size_t o = 0; o < sizeof operations / sizeof *operations; o++) {
      if (strcmp(word + length, operations[o].name) == 0) return rule->operations = operations[o].operation, true;
    }
  }
  return false;
}

static void parse_line(const char *line, struct rule *rule) {
  char word[32];
  char path[PATH_MAX];
  memset(rule, 0, sizeof *rule);
  if (sscanf(line, "%31s", word) != 1 || !parse_fault(word, rule)) give_up("no such fault: %s", line);
  const char *from = strchr(line, '/');
  if (from == NULL || snprintf(path, sizeof path, "%s", from) >= (int)sizeof path) give_up("a fault without a path: %s", line);
  if (place_of(AT_FDCWD, path, rule->path) != IN_ROOT) give_up("a fault outside the root: %s", line);
  if (rule->fault == SLOW && sscanf(line, "%*s %ldms", &rule->milliseconds) != 1) give_up("slow needs milliseconds: %s", line);
  if (rule->fault == ROOM && sscanf(line, "%*s %ldMiB", &rule->mebibytes) != 1) give_up("room needs mebibytes: %s", line);
}

static struct rules *read_rules(int fd, size_t size) {
  char *text = malloc(size + 1);
  if (text == NULL) give_up("no memory");
  const ssize_t length = REAL(pread)(fd, text, size, 0);
  text[length < 0 ? 0 : length] = 0;
  size_t lines = 1;
  for (const char *at = text; *at != 0; at++) lines += *at == '\n';
  struct rules *rules = calloc(1, sizeof *rules + lines * sizeof(struct rule));
  if (rules == NULL) give_up("no memory");
  char *rest = text;
  for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
    if (line[0] != 0 && line[0] != '#') parse_line(line, &rules->list[rules->count++]);
  }
  free(text);
  return rules;
}

/* The old rules are never freed: another thread may be reading them, and a test changes them a few times. */
static void look(void) {
  struct stat stats;
  const int fd = REAL(open)(control, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &stats) != 0) give_up("FAULTS_CONTROL cannot be read: %s", control);
  if (stats.st_ino != seen.st_ino || stats.st_size != seen.st_size || stats.st_mtim.tv_sec != seen.st_mtim.tv_sec ||
      stats.st_mtim.tv_nsec != seen.st_mtim.tv_nsec) {
    seen = stats;
    atomic_store(&current, read_rules(fd, (size_t)stats.st_size));
  }
  REAL(close)(fd);
}

static struct rules *rules_now(void) {
  const int64_t now = now_ns();
  if (now - atomic_load(&looked_at) >= LOOK_EVERY_NS && pthread_mutex_trylock(&look_lock) == 0) {
    look();
    atomic_store(&looked_at, now);
    pthread_mutex_unlock(&look_lock);
  }
  return atomic_load(&current);
}

void open_control(const char *path) {
  control = strdup(path);
  look();
}

static bool concerns(const struct rule *rule, const char *path) {
  const size_t length = strlen(rule->path);
  return length == 0 || (strncmp(path, rule->path, length) == 0 && (path[length] == 0 || path[length] == '/'));
}

static int error_of(const struct rule *rule, const struct attempt *attempt) {
  switch (rule->fault) {
    case FAIL:
      return EIO;
    case NO_SPACE:
      return attempt->creates ? ENOSPC : 0;
    case READ_ONLY:
      return attempt->operation == OP_READ || (attempt->operation == OP_OPEN && !attempt->writes) ? 0 : EROFS;
    default:
      return 0;
  }
}

void room_of(const char *relative, struct room *room) {
  const struct rules *rules = control == NULL ? NULL : rules_now();
  for (size_t i = 0; rules != NULL && i < rules->count; i++) {
    if (!concerns(&rules->list[i], relative)) continue;
    if (rules->list[i].fault == NO_SPACE) room->is_full = true;
    if (rules->list[i].fault == ROOM) room->mebibytes = rules->list[i].mebibytes;
  }
}

int suffer(const char *relative, const struct attempt *attempt) {
  bool has_slept = false;
  if (control == NULL) return 0;
  for (;;) {
    const struct rules *rules = rules_now();
    bool hangs = false;
    long slow = 0;
    int error = 0;
    for (size_t i = 0; i < rules->count; i++) {
      const struct rule *rule = &rules->list[i];
      if ((rule->operations & attempt->operation) == 0 || !concerns(rule, relative)) continue;
      hangs = hangs || rule->fault == HANG;
      slow = rule->fault == SLOW && rule->milliseconds > slow ? rule->milliseconds : slow;
      error = error != 0 ? error : error_of(rule, attempt);
    }
    /* As where the page cache has nothing of it. */
    if (attempt->nowait && (hangs || slow > 0 || error != 0)) return EAGAIN;
    if (hangs) {
      sleep_ns(POLL_NS);
    } else if (slow > 0 && !has_slept) {
      has_slept = true;
      sleep_ns(slow * 1000000);
    } else {
      return error;
    }
  }
}
