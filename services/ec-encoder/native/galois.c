/* The kernels, the choice among them, and the order in which a product is walked through. */
#include "galois.h"
#include "galois-tables.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

void galois_init(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, galois_build_tables);
}

static void scalar_kernel(const galois_product *p, unsigned first_row, unsigned rows, uint8_t *const *targets, size_t from, size_t to,
                          size_t target_base) {
  for (unsigned r = 0; r < rows; r++) {
    uint8_t *target = targets[r] + (from - target_base);
    memset(target, 0, to - from);
    for (unsigned c = 0; c < p->columns; c++) {
      const uint8_t *row = galois_products[p->matrix[(size_t)(first_row + r) * p->columns + c]];
      const uint8_t *source = p->sources[c] + from;
      for (size_t at = 0; at < to - from; at++) {
        target[at] ^= row[source[at]];
      }
    }
  }
}

#if defined(__x86_64__)

#define TARGET_SSSE3 __attribute__((target("ssse3")))
#define TARGET_AVX2 __attribute__((target("avx2")))

#define NAME gfni512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,gfni")))
#define VECTOR __m512i
#define WIDTH 64
#define ROWS 6
#define FACTOR uint64_t
#define EXPAND(a) galois_affines[a]
#define HELD __m512i
#define HOLD(f) _mm512_set1_epi64((long long)*(f))
#define SPLIT __m512i
#define CUT(v) (v)
#define TIMES(s, h) _mm512_gf2p8affine_epi64_epi8(s, h, 0)
#define LOAD(p) _mm512_loadu_si512((const void *)(p))
#define STORE(p, v) _mm512_storeu_si512((void *)(p), v)
#define STREAM(p, v) _mm512_stream_si512((void *)(p), v)
#define FENCE _mm_sfence()
#define XOR _mm512_xor_si512
#define ZERO _mm512_setzero_si512()
#include "kernel.h"

#define NAME gfni256
#define TARGET __attribute__((target("avx2,gfni")))
#define VECTOR __m256i
#define WIDTH 32
#define ROWS 4
#define FACTOR uint64_t
#define EXPAND(a) galois_affines[a]
#define HELD __m256i
#define HOLD(f) _mm256_set1_epi64x((long long)*(f))
#define SPLIT __m256i
#define CUT(v) (v)
#define TIMES(s, h) _mm256_gf2p8affine_epi64_epi8(s, h, 0)
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define STREAM(p, v) _mm256_stream_si256((__m256i *)(p), v)
#define FENCE _mm_sfence()
#define XOR _mm256_xor_si256
#define ZERO _mm256_setzero_si256()
#include "kernel.h"

typedef struct {
  __m256i low;
  __m256i high;
} pair256;

TARGET_AVX2 static inline __attribute__((always_inline)) pair256 cut256(__m256i v) {
  const __m256i mask = _mm256_set1_epi8(0x0f);
  return (pair256){_mm256_and_si256(v, mask), _mm256_and_si256(_mm256_srli_epi64(v, 4), mask)};
}

TARGET_AVX2 static inline __attribute__((always_inline)) pair256 hold256(const nibble_products *f) {
  return (pair256){_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)f->low)),
                   _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)f->high))};
}

#define NAME avx2
#define TARGET TARGET_AVX2
#define VECTOR __m256i
#define WIDTH 32
#define ROWS 4
#define FACTOR nibble_products
#define EXPAND(a) galois_nibbles[a]
#define HELD pair256
#define HOLD(f) hold256(f)
#define SPLIT pair256
#define CUT(v) cut256(v)
#define TIMES(s, h) _mm256_xor_si256(_mm256_shuffle_epi8((h).low, (s).low), _mm256_shuffle_epi8((h).high, (s).high))
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define STREAM(p, v) _mm256_stream_si256((__m256i *)(p), v)
#define FENCE _mm_sfence()
#define XOR _mm256_xor_si256
#define ZERO _mm256_setzero_si256()
#include "kernel.h"

typedef struct {
  __m128i low;
  __m128i high;
} pair128;

TARGET_SSSE3 static inline __attribute__((always_inline)) pair128 cut128(__m128i v) {
  const __m128i mask = _mm_set1_epi8(0x0f);
  return (pair128){_mm_and_si128(v, mask), _mm_and_si128(_mm_srli_epi64(v, 4), mask)};
}

TARGET_SSSE3 static inline __attribute__((always_inline)) pair128 hold128(const nibble_products *f) {
  return (pair128){_mm_load_si128((const __m128i *)f->low), _mm_load_si128((const __m128i *)f->high)};
}

#define NAME ssse3
#define TARGET TARGET_SSSE3
#define VECTOR __m128i
#define WIDTH 16
#define ROWS 4
#define FACTOR nibble_products
#define EXPAND(a) galois_nibbles[a]
#define HELD pair128
#define HOLD(f) hold128(f)
#define SPLIT pair128
#define CUT(v) cut128(v)
#define TIMES(s, h) _mm_xor_si128(_mm_shuffle_epi8((h).low, (s).low), _mm_shuffle_epi8((h).high, (s).high))
#define LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define STORE(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define STREAM(p, v) _mm_stream_si128((__m128i *)(p), v)
#define FENCE _mm_sfence()
#define XOR _mm_xor_si128
#define ZERO _mm_setzero_si128()
#include "kernel.h"

#endif

typedef void (*kernel)(const galois_product *, unsigned, unsigned, uint8_t *const *, size_t, size_t, size_t);

typedef struct {
  const char *name;
  kernel run;
  /* the most rows at once, and the least bytes */
  unsigned rows_max;
  size_t length_min;
} level_entry;

static const level_entry levels[LEVEL_COUNT] = {
    [LEVEL_SCALAR] = {"scalar", scalar_kernel, 4, 1},
#if defined(__x86_64__)
    [LEVEL_SSSE3] = {"ssse3", ssse3_kernel, 4, 16},
    [LEVEL_AVX2] = {"avx2", avx2_kernel, 4, 32},
    [LEVEL_GFNI256] = {"gfni256", gfni256_kernel, 4, 32},
    [LEVEL_GFNI512] = {"gfni512", gfni512_kernel, 6, 64},
#endif
};

const char *galois_level_name(galois_level level) {
  return levels[level].name;
}

bool galois_level_works(galois_level level) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  switch (level) {
    case LEVEL_SCALAR: return true;
    case LEVEL_SSSE3: return __builtin_cpu_supports("ssse3");
    case LEVEL_AVX2: return __builtin_cpu_supports("avx2");
    case LEVEL_GFNI256: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("gfni");
    case LEVEL_GFNI512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("gfni");
    default: return false;
  }
#else
  return level == LEVEL_SCALAR;
#endif
}

static void run_rows(galois_level level, const galois_product *p, unsigned first_row, unsigned rows, uint8_t *const *targets, size_t from,
                     size_t to, size_t target_base) {
  const level_entry *entry = to - from < levels[level].length_min ? &levels[LEVEL_SCALAR] : &levels[level];
  entry->run(p, first_row, rows, targets, from, to, target_base);
}

/* So many bytes of all sources together stay in a core's own cache while several groups of rows go over them. */
#define CACHED_BYTES ((size_t)256 * 1024)
#define BLOCK_BYTES_MIN ((size_t)4096)

static size_t block_bytes(const galois_product *p) {
  const size_t bytes = CACHED_BYTES / p->columns & ~(BLOCK_BYTES_MIN - 1);
  return bytes < BLOCK_BYTES_MIN ? BLOCK_BYTES_MIN : bytes;
}

static unsigned least(size_t a, size_t b) {
  return (unsigned)(a < b ? a : b);
}

void galois_multiply(galois_level level, const galois_product *p) {
  const unsigned rows_max = levels[level].rows_max;
  const size_t block = p->rows <= rows_max && level != LEVEL_SCALAR ? p->length : block_bytes(p);
  for (size_t from = 0; from < p->length;) {
    const size_t to = p->length - from <= block ? p->length : from + block;
    for (unsigned row = 0; row < p->rows; row += rows_max) {
      run_rows(level, p, row, least(p->rows - row, rows_max), p->targets + row, from, to, 0);
    }
    from = to;
  }
}

void galois_compare(galois_level level, const galois_product *p, uint8_t *differs) {
  uint8_t scratch[6][BLOCK_BYTES_MIN] __attribute__((aligned(64)));
  uint8_t *const targets[6] = {scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]};
  galois_product plain = *p;
  plain.stream = false;
  memset(differs, 0, p->rows);
  const unsigned rows_max = levels[level].rows_max;
  for (size_t from = 0; from < p->length;) {
    const size_t to = p->length - from <= BLOCK_BYTES_MIN ? p->length : from + BLOCK_BYTES_MIN;
    for (unsigned row = 0; row < p->rows; row += rows_max) {
      const unsigned rows = least(p->rows - row, rows_max);
      run_rows(level, &plain, row, rows, targets, from, to, from);
      for (unsigned r = 0; r < rows; r++) {
        differs[row + r] |= memcmp(targets[r], p->targets[row + r] + from, to - from) != 0;
      }
    }
    from = to;
  }
}
