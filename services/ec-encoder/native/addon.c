/* What JavaScript sees: src/adapters/codec/native-addon.ts has the same as a type. */
#include "batch.h"
#include "crc32c.h"
#include "job.h"
#include "read-now.h"

/* run(level, matrix, sources, targets, compare, stream): number[] */
static napi_value run(napi_env env, napi_callback_info info) {
  size_t argc = 6;
  napi_value argv[6];
  napi_value matrix;
  job j = {0};
  TRY(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  if (!level_of(env, argv[0], &j.level)) {
    return fail(env, "this processor does not have that level");
  }
  const char *wrong = fetch_job(env, argv + 1, &matrix, &j);
  if (wrong == NULL) {
    wrong = resolve_job(env, matrix, &j);
  }
  if (wrong != NULL) {
    release_job(&j);
    return fail(env, wrong);
  }
  run_job(&j);
  napi_value found = outcome_of(env, &j);
  release_job(&j);
  return found;
}

static bool words_of(napi_env env, napi_value value, uint32_t **data, size_t *length) {
  napi_typedarray_type type;
  void *memory = NULL;
  if (napi_get_typedarray_info(env, value, &type, length, &memory, NULL, NULL) != napi_ok || type != napi_uint32_array) {
    return false;
  }
  *data = memory;
  return memory != NULL || *length == 0;
}

/* crc32c(data, seed): number */
static napi_value checksum(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2];
  uint8_t *data;
  size_t length;
  uint32_t seed;
  napi_value result;
  TRY(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(napi_get_value_uint32(env, argv[1], &seed));
  if (!bytes_of(env, argv[0], &data, &length)) {
    return fail(env, "the data must be a Uint8Array");
  }
  TRY(napi_create_uint32(env, crc32c(data, length, seed), &result));
  return result;
}

/* crc32cBy(kind, data, seed): number. As crc32c, by one of crc32cEngines. */
static napi_value checksum_by(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value argv[3];
  uint8_t *data;
  size_t length;
  uint32_t kind;
  uint32_t seed;
  napi_value result;
  TRY(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(napi_get_value_uint32(env, argv[0], &kind));
  TRY(napi_get_value_uint32(env, argv[2], &seed));
  if (kind > crc32c_best() || !bytes_of(env, argv[1], &data, &length)) {
    return fail(env, "there must be such an engine, and the data must be a Uint8Array");
  }
  TRY(napi_create_uint32(env, crc32c_by((crc32c_kind)kind, data, length, seed), &result));
  return result;
}

/* crc32cBlocks(data, blockBytes, seeds, sums): sums[i] = crc32c(block i, seeds[i]); the last block may be short. */
static napi_value checksum_blocks(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value argv[4];
  uint8_t *data;
  uint32_t *seeds;
  uint32_t *sums;
  size_t length;
  size_t seed_count;
  size_t sum_count;
  uint32_t block;
  TRY(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  TRY(napi_get_value_uint32(env, argv[1], &block));
  if (!bytes_of(env, argv[0], &data, &length) || !words_of(env, argv[2], &seeds, &seed_count) ||
      !words_of(env, argv[3], &sums, &sum_count)) {
    return fail(env, "the data must be a Uint8Array, seeds and sums a Uint32Array");
  }
  if (block == 0 || length == 0 || (length - 1) / block + 1 != seed_count || seed_count != sum_count) {
    return fail(env, "there must be one seed and one sum for each block");
  }
  for (size_t i = 0; i < seed_count; i++) {
    const size_t from = i * block;
    sums[i] = crc32c(data + from, length - from < block ? length - from : block, seeds[i]);
  }
  return NULL;
}

static napi_value init(napi_env env, napi_value exports) {
  galois_init();
  crc32c_init();
  const napi_property_descriptor functions[] = {
      {"run", NULL, run, NULL, NULL, NULL, napi_enumerable, NULL},
      {"submit", NULL, submit, NULL, NULL, NULL, napi_enumerable, NULL},
      {"crc32c", NULL, checksum, NULL, NULL, NULL, napi_enumerable, NULL},
      {"crc32cBy", NULL, checksum_by, NULL, NULL, NULL, napi_enumerable, NULL},
      {"crc32cBlocks", NULL, checksum_blocks, NULL, NULL, NULL, napi_enumerable, NULL},
      {"readNow", NULL, read_now, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  TRY(napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions));
  /* levels: the names of those that work here, at their numbers; null where one does not. */
  napi_value levels;
  TRY(napi_create_array(env, &levels));
  for (uint32_t level = 0; level < LEVEL_COUNT; level++) {
    napi_value name;
    if (galois_level_works((galois_level)level)) {
      TRY(napi_create_string_utf8(env, galois_level_name((galois_level)level), NAPI_AUTO_LENGTH, &name));
    } else {
      TRY(napi_get_null(env, &name));
    }
    TRY(napi_set_element(env, levels, level, name));
  }
  TRY(napi_set_named_property(env, exports, "levels", levels));
  /* crc32cEngines: those that work here, the best one last. */
  napi_value engines;
  TRY(napi_create_array(env, &engines));
  for (uint32_t kind = 0; kind <= crc32c_best(); kind++) {
    napi_value name;
    TRY(napi_create_string_utf8(env, crc32c_name((crc32c_kind)kind), NAPI_AUTO_LENGTH, &name));
    TRY(napi_set_element(env, engines, kind, name));
  }
  TRY(napi_set_named_property(env, exports, "crc32cEngines", engines));
  return exports;
}

NAPI_MODULE(couchestor_codec, init)
