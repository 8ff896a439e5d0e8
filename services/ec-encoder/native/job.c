#include "job.h"

#include <stdlib.h>
#include <string.h>

napi_value fail(napi_env env, const char *message) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && !pending) {
    napi_throw_type_error(env, "ERR_CODEC_ARGUMENT", message);
  }
  return NULL;
}

bool bytes_of(napi_env env, napi_value value, uint8_t **data, size_t *length) {
  napi_typedarray_type type;
  void *memory = NULL;
  if (napi_get_typedarray_info(env, value, &type, length, &memory, NULL, NULL) != napi_ok || type != napi_uint8_array) {
    return false;
  }
  *data = memory;
  return memory != NULL || *length == 0;
}

bool array_length(napi_env env, napi_value value, uint32_t max, uint32_t *length) {
  bool is_array = false;
  return napi_is_array(env, value, &is_array) == napi_ok && is_array && napi_get_array_length(env, value, length) == napi_ok &&
         *length >= 1 && *length <= max;
}

bool level_of(napi_env env, napi_value value, galois_level *level) {
  uint32_t number;
  napi_valuetype type;
  double exact;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_number || napi_get_value_double(env, value, &exact) != napi_ok ||
      napi_get_value_uint32(env, value, &number) != napi_ok || exact != number || number >= LEVEL_COUNT ||
      !galois_level_works((galois_level)number)) {
    return false;
  }
  *level = (galois_level)number;
  return true;
}

void release_job(job *j) {
  free(j->arrays);
}

const char *fetch_job(napi_env env, const napi_value argv[5], napi_value *matrix, job *j) {
  uint32_t columns;
  uint32_t rows;
  if (!array_length(env, argv[1], SHARDS_MAX, &columns) || !array_length(env, argv[2], SHARDS_MAX, &rows)) {
    return "sources and targets must be arrays of 1 to 255 shards";
  }
  *matrix = argv[0];
  if (napi_get_value_bool(env, argv[3], &j->compare) != napi_ok || napi_get_value_bool(env, argv[4], &j->product.stream) != napi_ok) {
    return "compare and stream must be booleans";
  }
  j->array_count = columns + rows;
  j->product.columns = columns;
  j->product.rows = rows;
  /* One piece of memory, the widest first: arrays, sources, targets, differs, matrix. */
  j->arrays = malloc(j->array_count * (sizeof *j->arrays + sizeof(uint8_t *)) + (size_t)rows * (columns + 1));
  if (j->arrays == NULL) {
    return "out of memory";
  }
  j->sources = (const uint8_t **)(j->arrays + j->array_count);
  j->targets = (uint8_t **)(j->sources + columns);
  j->differs = (uint8_t *)(j->targets + rows);
  j->matrix = j->differs + rows;
  for (uint32_t i = 0; i < j->array_count; i++) {
    const napi_value from = i < columns ? argv[1] : argv[2];
    if (napi_get_element(env, from, i < columns ? i : i - columns, &j->arrays[i]) != napi_ok) {
      return "a shard could not be read";
    }
  }
  return NULL;
}

static bool overlap(const uint8_t *a, const uint8_t *b, size_t length) {
  return (uintptr_t)a < (uintptr_t)b + length && (uintptr_t)b < (uintptr_t)a + length;
}

const char *resolve_job(napi_env env, napi_value matrix, job *j) {
  galois_product *p = &j->product;
  uint8_t *memory;
  size_t length;
  if (!bytes_of(env, matrix, &memory, &length) || length != (size_t)p->rows * p->columns) {
    return "the matrix must be a Uint8Array of targets x sources bytes";
  }
  memcpy(j->matrix, memory, length);
  for (uint32_t i = 0; i < j->array_count; i++) {
    if (!bytes_of(env, j->arrays[i], &memory, &length)) {
      return "every shard must be a Uint8Array";
    }
    if (length == 0) {
      return "a shard is empty or detached";
    }
    if (i == 0) {
      p->length = length;
    } else if (length != p->length) {
      return "all shards must have one length";
    }
    if (i < p->columns) {
      j->sources[i] = memory;
    } else {
      j->targets[i - p->columns] = memory;
    }
  }
  for (uint32_t t = 0; !j->compare && t < p->rows; t++) {
    for (uint32_t s = 0; s < p->columns; s++) {
      if (overlap(j->targets[t], j->sources[s], p->length)) {
        return "a target overlaps a source";
      }
    }
    for (uint32_t other = 0; other < t; other++) {
      if (overlap(j->targets[t], j->targets[other], p->length)) {
        return "two targets overlap";
      }
    }
  }
  p->matrix = j->matrix;
  p->sources = j->sources;
  p->targets = j->targets;
  return NULL;
}

void run_job(job *j) {
  if (j->compare) {
    galois_compare(j->level, &j->product, j->differs);
  } else {
    galois_multiply(j->level, &j->product);
  }
}

napi_value outcome_of(napi_env env, const job *j) {
  napi_value found;
  uint32_t count = 0;
  TRY(napi_create_array(env, &found));
  for (uint32_t row = 0; row < j->product.rows; row++) {
    if (j->compare && j->differs[row]) {
      napi_value place;
      TRY(napi_create_uint32(env, row, &place));
      TRY(napi_set_element(env, found, count++, place));
    }
  }
  return found;
}
