/*
 * The recording: a file that whoever asked for it has made, with a header and room, mapped into every process that records. An event takes its
 * place by one atomic addition, so its place is its turn among all threads and processes. Its kind is written last: what a killed process left
 * half-written has none. Nothing of it is synced, for the machine does not really lose power.
 *
 * An event that takes time (write, sync, truncate, fallocate) is recorded before it begins, with its data, and KIND_END after it ended.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload.h"

#define MAGIC 0x3130434552465346ull /* "FSFREC01" */
#define ALIGNMENT 8

struct header {
  uint64_t magic;
  _Atomic uint64_t tail;
  uint64_t capacity;
  _Atomic uint64_t handles;
};

struct entry {
  uint32_t length; /* of all, in bytes, before alignment */
  _Atomic uint32_t kind_and_flags;
  uint64_t reference;
  int64_t a;
  int64_t b;
};

static struct header *header;
static _Atomic uint64_t own_handles;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void open_recording(const char *path) {
  struct stat stats;
  const int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &stats) != 0) give_up("FAULTS_RECORD cannot be opened: %s", path);
  void *mapped = REAL(mmap)(NULL, (size_t)stats.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) give_up("FAULTS_RECORD cannot be mapped: %s", path);
  REAL(close)(fd);
  struct header *found = mapped;
  if (found->magic != MAGIC || found->capacity != (uint64_t)stats.st_size) give_up("FAULTS_RECORD is no recording: %s", path);
  header = found;
}

bool is_recording(void) { return header != NULL; }

uint64_t next_handle(void) { return header == NULL ? atomic_fetch_add(&own_handles, 1) : atomic_fetch_add(&header->handles, 1); }

uint64_t record(const struct event *event, const struct iovec *data, int count) {
  if (header == NULL) return 0;
  uint64_t length = sizeof(struct entry);
  for (int i = 0; i < count; i++) length += data[i].iov_len;
  const uint64_t taken = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  const uint64_t place = atomic_fetch_add(&header->tail, taken);
  if (length > UINT32_MAX || place + taken > header->capacity) give_up("the recording is full (%llu bytes)", (unsigned long long)header->capacity);
  uint8_t *at = (uint8_t *)header + place;
  struct entry *entry = (struct entry *)at;
  entry->length = (uint32_t)length;
  atomic_thread_fence(memory_order_release);
  entry->reference = event->reference;
  entry->a = event->a;
  entry->b = event->b;
  at += sizeof *entry;
  for (int i = 0; i < count; i++) {
    memcpy(at, data[i].iov_base, data[i].iov_len);
    at += data[i].iov_len;
  }
  atomic_store_explicit(&entry->kind_and_flags, (uint32_t)event->kind | event->flags << 16, memory_order_release);
  return place;
}

void record_end(uint64_t begun, int64_t result, int64_t offset) {
  record(&(struct event){.kind = KIND_END, .reference = begun, .a = result, .b = offset}, NULL, 0);
}

void record_path(const struct event *event, const char *path, const char *second) {
  const struct iovec parts[2] = {{(void *)path, strlen(path) + (second != NULL)}, {(void *)second, second == NULL ? 0 : strlen(second)}};
  record(event, parts, second == NULL ? 1 : 2);
}

void lock_names(void) { pthread_mutex_lock(&lock); }
void unlock_names(void) { pthread_mutex_unlock(&lock); }
