/*
 * Jobs on libuv's thread pool. While a batch is there, its typed arrays are held by a reference; that the caller does not transfer or
 * shrink their buffers meanwhile is the caller's to see to. It is looked at again at the end, so that a void result is not taken for a
 * good one.
 */
#include "batch.h"

#include <stdlib.h>

#include "job.h"

#define JOBS_MAX 1024

typedef struct {
  napi_async_work work;
  napi_deferred deferred;
  napi_ref pinned;
  uint32_t count;
  job jobs[];
} batch;

static void release_batch(batch *b) {
  for (uint32_t i = 0; i < b->count; i++) {
    release_job(&b->jobs[i]);
  }
  free(b);
}

static void execute(napi_env env, void *data) {
  (void)env;
  batch *b = data;
  for (uint32_t i = 0; i < b->count; i++) {
    run_job(&b->jobs[i]);
  }
}

/* Whether the shards of a job are still where they were when it was taken on; `at` is the place of its first among the pinned ones. */
static bool still_there(napi_env env, napi_value pinned, uint32_t at, const job *j) {
  for (uint32_t k = 0; k < j->array_count; k++) {
    napi_value array;
    uint8_t *memory;
    size_t length;
    const uint8_t *before = k < j->product.columns ? j->sources[k] : j->targets[k - j->product.columns];
    if (napi_get_element(env, pinned, at + k, &array) != napi_ok || !bytes_of(env, array, &memory, &length) || memory != before ||
        length != j->product.length) {
      return false;
    }
  }
  return true;
}

/* One for each job; null where its shards moved, so that its result is void. */
static napi_value outcomes(napi_env env, const batch *b) {
  napi_value all;
  napi_value pinned;
  uint32_t at = 0;
  TRY(napi_create_array_with_length(env, b->count, &all));
  TRY(napi_get_reference_value(env, b->pinned, &pinned));
  for (uint32_t i = 0; i < b->count; i++) {
    const job *j = &b->jobs[i];
    napi_value one;
    if (still_there(env, pinned, at, j)) {
      one = outcome_of(env, j);
      if (one == NULL) {
        return NULL;
      }
    } else {
      TRY(napi_get_null(env, &one));
    }
    TRY(napi_set_element(env, all, i, one));
    at += j->array_count;
  }
  return all;
}

static void complete(napi_env env, napi_status status, void *data) {
  batch *b = data;
  napi_value result = status == napi_ok ? outcomes(env, b) : NULL;
  if (result != NULL) {
    napi_resolve_deferred(env, b->deferred, result);
  } else {
    napi_value code;
    napi_value message;
    napi_value error;
    /* On the way out of a worker these fail, and there is nobody left to tell. */
    if (napi_create_string_utf8(env, "ERR_CODEC_RUN", NAPI_AUTO_LENGTH, &code) == napi_ok &&
        napi_create_string_utf8(env, "the run was cancelled", NAPI_AUTO_LENGTH, &message) == napi_ok &&
        napi_create_error(env, code, message, &error) == napi_ok) {
      napi_reject_deferred(env, b->deferred, error);
    }
  }
  napi_delete_reference(env, b->pinned);
  napi_delete_async_work(env, b->work);
  release_batch(b);
}

/* Makes the reference that keeps all typed arrays of the batch alive. */
static const char *pin(napi_env env, batch *b) {
  napi_value pinned;
  uint32_t at = 0;
  if (napi_create_array(env, &pinned) != napi_ok) {
    return "out of memory";
  }
  for (uint32_t i = 0; i < b->count; i++) {
    for (uint32_t k = 0; k < b->jobs[i].array_count; k++) {
      if (napi_set_element(env, pinned, at++, b->jobs[i].arrays[k]) != napi_ok) {
        return "out of memory";
      }
    }
  }
  return napi_create_reference(env, pinned, 1, &b->pinned) == napi_ok ? NULL : "out of memory";
}

static const char *fetch_jobs(napi_env env, napi_value list, galois_level level, napi_value *matrices, batch *b) {
  for (uint32_t i = 0; i < b->count; i++) {
    napi_value tuple;
    napi_value parts[5];
    uint32_t length;
    b->jobs[i].level = level;
    if (napi_get_element(env, list, i, &tuple) != napi_ok || !array_length(env, tuple, 5, &length) || length != 5) {
      return "a job must be [matrix, sources, targets, compare, stream]";
    }
    for (uint32_t part = 0; part < 5; part++) {
      if (napi_get_element(env, tuple, part, &parts[part]) != napi_ok) {
        return "a job could not be read";
      }
    }
    const char *wrong = fetch_job(env, parts, &matrices[i], &b->jobs[i]);
    if (wrong != NULL) {
      return wrong;
    }
  }
  for (uint32_t i = 0; i < b->count; i++) {
    const char *wrong = resolve_job(env, matrices[i], &b->jobs[i]);
    if (wrong != NULL) {
      return wrong;
    }
  }
  return pin(env, b);
}

napi_value submit(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2];
  galois_level level;
  uint32_t count;
  TRY(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  if (!level_of(env, argv[0], &level)) {
    return fail(env, "this processor does not have that level");
  }
  if (!array_length(env, argv[1], JOBS_MAX, &count)) {
    return fail(env, "a batch must be an array of 1 to 1024 jobs");
  }
  batch *b = calloc(1, sizeof *b + count * sizeof(job));
  napi_value *matrices = calloc(count, sizeof *matrices);
  const char *wrong = "out of memory";
  if (b != NULL && matrices != NULL) {
    b->count = count;
    wrong = fetch_jobs(env, argv[1], level, matrices, b);
  }
  free(matrices);
  napi_value promise = NULL;
  napi_value name;
  if (wrong == NULL && (napi_create_string_utf8(env, "couchestor-codec", NAPI_AUTO_LENGTH, &name) != napi_ok ||
                        napi_create_async_work(env, NULL, name, execute, complete, b, &b->work) != napi_ok ||
                        napi_create_promise(env, &b->deferred, &promise) != napi_ok || napi_queue_async_work(env, b->work) != napi_ok)) {
    wrong = "the work could not be queued";
    napi_delete_reference(env, b->pinned);
    if (b->work != NULL) {
      napi_delete_async_work(env, b->work);
    }
  }
  if (wrong != NULL) {
    if (b != NULL) {
      release_batch(b);
    }
    return fail(env, wrong);
  }
  return promise;
}
