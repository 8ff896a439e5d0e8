/*
 * Reads what the page cache has, on the thread that asks: a trip to another thread costs ten times the copying. Where the data is not there
 * the kernel says EAGAIN, or stops short, and the caller takes the longer way.
 */
#define _GNU_SOURCE
#include "read-now.h"

#include <errno.h>

#include "job.h"

#if defined(__linux__)
#include <sys/uio.h>
#endif

/* The largest position that a number of JavaScript holds exactly. */
#define POSITION_MAX 9007199254740991.0

static int read_cached(int fd, uint8_t *into, size_t length, int64_t position) {
#if defined(__linux__) && defined(RWF_NOWAIT)
  const struct iovec piece = {into, length};
  ssize_t count;
  do {
    count = preadv2(fd, &piece, 1, (off_t)position, RWF_NOWAIT);
  } while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : (int)count;
#else
  (void)fd;
  (void)into;
  (void)length;
  (void)position;
  return -ENOSYS;
#endif
}

napi_value read_now(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value argv[3];
  double fd;
  double position;
  uint8_t *into;
  size_t length;
  napi_value result;
  TRY(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(napi_get_value_double(env, argv[0], &fd));
  TRY(napi_get_value_double(env, argv[2], &position));
  if (!(fd >= 0 && fd <= INT32_MAX) || fd != (int32_t)fd) {
    return fail(env, "the file descriptor must be a whole number from 0");
  }
  if (!(position >= 0 && position <= POSITION_MAX) || position != (double)(int64_t)position) {
    return fail(env, "the position must be a whole number from 0");
  }
  if (!bytes_of(env, argv[1], &into, &length) || length == 0) {
    return fail(env, "the memory to read into must be a Uint8Array with bytes");
  }
  /* The count must fit the result; no more is read at once anyway. */
  TRY(napi_create_int32(env, read_cached((int)fd, into, length < 0x7ffff000 ? length : 0x7ffff000, (int64_t)position), &result));
  return result;
}
