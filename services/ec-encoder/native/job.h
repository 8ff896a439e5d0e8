/*
 * One product, from the arguments of JavaScript to its outcome. Every argument is judged here, whatever the caller judged before: a wrong
 * one throws, and nothing is touched.
 *
 * Arguments are read in two rounds. Fetching the elements of an array may run a getter, which may detach a buffer; so all are fetched
 * first, and only then asked for their memory, with no JavaScript in between.
 */
#ifndef COUCHESTOR_JOB_H
#define COUCHESTOR_JOB_H

#define NAPI_VERSION 8
#include <node_api.h>

#include <stdbool.h>

#include "galois.h"

/* Returns NULL from the calling function where Node-API failed, which leaves an exception of its own or ours. */
#define TRY(call)                                                                          \
  do {                                                                                     \
    if ((call) != napi_ok) {                                                               \
      return fail(env, "a value is not of the kind that is expected, or JavaScript threw"); \
    }                                                                                      \
  } while (0)

typedef struct {
  galois_product product;
  galois_level level;
  bool compare;
  /* one for each row, after compare */
  uint8_t *differs;
  /* the typed arrays of the sources, then of the targets; owns the memory of all that follows and of `differs` */
  uint32_t array_count;
  napi_value *arrays;
  /* what `product` points to */
  const uint8_t **sources;
  uint8_t **targets;
  uint8_t *matrix;
} job;

/* Throws ERR_CODEC_ARGUMENT, unless JavaScript has thrown already. Returns NULL. */
napi_value fail(napi_env env, const char *message);

/*
 * The memory of a Uint8Array (a Buffer is one). False where it is something else, or out of its buffer's bounds; a detached one has no
 * bytes.
 */
bool bytes_of(napi_env env, napi_value value, uint8_t **data, size_t *length);
/* False unless it is an array of 1 to `max` elements. */
bool array_length(napi_env env, napi_value value, uint32_t max, uint32_t *length);
/* The number of a level that works here. */
bool level_of(napi_env env, napi_value value, galois_level *level);

/* First round: [matrix, sources, targets, compare, stream]. May run JavaScript. NULL, or what is wrong; release the job in either case. */
const char *fetch_job(napi_env env, const napi_value argv[5], napi_value *matrix, job *j);
/* Second round: runs no JavaScript, so that what it finds still holds when the product is computed. */
const char *resolve_job(napi_env env, napi_value matrix, job *j);
void run_job(job *j);
/* The targets that differ, by their place; none after multiplying. NULL after an exception. */
napi_value outcome_of(napi_env env, const job *j);
void release_job(job *j);

#endif
