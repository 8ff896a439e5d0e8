/* Which descriptors are files below $FAULTS_ROOT, and which paths. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload.h"

#define FILES_MAX 65536
#define BUCKETS 4096

struct slot {
  _Atomic bool taken;
  struct file file;
};

struct name {
  struct name *next;
  char text[];
};

static struct slot slots[FILES_MAX];
static struct name *names[BUCKETS];
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
/* As it was given, and where links in it lead: a path may come either way. */
static char roots[2][PATH_MAX];
static char acks[PATH_MAX];
static pid_t owner;

void give_up(const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(text, sizeof text - 1, format, args);
  va_end(args);
  length = length < (int)sizeof text - 2 ? length : (int)sizeof text - 2;
  text[length] = '\n';
  REAL(write)(2, "faults: ", 8);
  REAL(write)(2, text, (size_t)length + 1);
  _exit(121);
}

bool is_our_process(void) { return getpid() == owner; }

/* Without `.`, `..`, doubled slashes and a slash at the end; links are left alone. */
static void normalise(const char *path, char *out) {
  size_t length = 0;
  for (const char *at = path; *at != 0;) {
    while (*at == '/') at++;
    const size_t part = strcspn(at, "/");
    if (part == 2 && at[0] == '.' && at[1] == '.') {
      while (length > 0 && out[--length] != '/') {
      }
    } else if (part > 0 && !(part == 1 && at[0] == '.')) {
      if (length + part + 2 > PATH_MAX) give_up("the path is too long: %s", path);
      out[length++] = '/';
      memcpy(out + length, at, part);
      length += part;
    }
    at += part;
  }
  out[length] = 0;
}

static bool is_below(const char *path, const char *root, char *relative) {
  const size_t length = strlen(root);
  if (length == 0 || strncmp(path, root, length) != 0 || (path[length] != 0 && path[length] != '/')) return false;
  if (relative != NULL) memmove(relative, path + length + (path[length] == '/'), strlen(path + length) + (path[length] != '/'));
  return true;
}

__attribute__((constructor(101))) static void find_root(void) {
  owner = getpid();
  const char *root = getenv("FAULTS_ROOT");
  const char *ack = getenv("FAULTS_ACKS");
  const char *control = getenv("FAULTS_CONTROL");
  const char *recording = getenv("FAULTS_RECORD");
  if (root == NULL || root[0] != '/') give_up("FAULTS_ROOT must be an absolute path");
  normalise(root, roots[0]);
  if (realpath(root, roots[1]) == NULL) give_up("FAULTS_ROOT does not exist: %s", root);
  if (ack != NULL) normalise(ack, acks);
  if (control != NULL) open_control(control);
  if (recording != NULL) open_recording(recording);
}

enum place place_of(int dirfd, const char *path, char *relative) {
  char joined[2 * PATH_MAX];
  char whole[PATH_MAX];
  if (path == NULL || strlen(path) >= PATH_MAX) return ELSEWHERE;
  if (path[0] == '/') {
    normalise(path, whole);
  } else {
    char link[64];
    ssize_t length = -1;
    if (dirfd == AT_FDCWD) {
      length = getcwd(joined, PATH_MAX) == NULL ? -1 : (ssize_t)strlen(joined);
    } else {
      snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
      length = readlink(link, joined, PATH_MAX - 1);
    }
    if (length < 0) return ELSEWHERE;
    snprintf(joined + length, sizeof joined - (size_t)length, "/%s", path);
    normalise(joined, whole);
  }
  if (acks[0] != 0 && strcmp(whole, acks) == 0) {
    relative[0] = 0;
    return ACKS;
  }
  return is_below(whole, roots[0], relative) || is_below(whole, roots[1], relative) ? IN_ROOT : ELSEWHERE;
}

void remember_file(int fd, const struct file *file) {
  if (fd < 0 || fd >= FILES_MAX) give_up("descriptor %d is beyond what is kept track of", fd);
  slots[fd].file = *file;
  atomic_store_explicit(&slots[fd].taken, true, memory_order_release);
}

void forget_file(int fd) {
  if (fd >= 0 && fd < FILES_MAX) atomic_store_explicit(&slots[fd].taken, false, memory_order_release);
}

bool find_file(int fd, struct file *found) {
  if (fd < 0 || fd >= FILES_MAX || !atomic_load_explicit(&slots[fd].taken, memory_order_acquire)) return false;
  *found = slots[fd].file;
  return is_our_process();
}

void copy_file(int from, int to) {
  struct file file;
  if (find_file(from, &file)) {
    remember_file(to, &file);
  } else {
    forget_file(to);
  }
}

const char *intern(const char *path) {
  uint32_t hash = 2166136261u;
  for (const char *at = path; *at != 0; at++) hash = (hash ^ (uint8_t)*at) * 16777619u;
  struct name **bucket = &names[hash % BUCKETS];
  pthread_mutex_lock(&names_lock);
  struct name *found = *bucket;
  while (found != NULL && strcmp(found->text, path) != 0) found = found->next;
  if (found == NULL) {
    const size_t size = strlen(path) + 1;
    found = malloc(sizeof *found + size);
    if (found == NULL) give_up("no memory");
    memcpy(found->text, path, size);
    found->next = *bucket;
    *bucket = found;
  }
  pthread_mutex_unlock(&names_lock);
  return found->text;
}
