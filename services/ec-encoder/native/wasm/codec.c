/*
 * The kernel of WebAssembly's 128-bit vectors, for machines without the add-on. It works on shards that the caller has copied into its
 * memory, a block of each at a time, one after another at a fixed stride.
 */
#include "../galois-tables.h"
#include "../galois.h"

#include <wasm_simd128.h>

typedef struct {
  v128_t low;
  v128_t high;
} pair128;

static inline __attribute__((always_inline)) pair128 cut128(v128_t v) {
  return (pair128){wasm_v128_and(v, wasm_i8x16_splat(0x0f)), wasm_u8x16_shr(v, 4)};
}

static inline __attribute__((always_inline)) pair128 hold128(const nibble_products *f) {
  return (pair128){wasm_v128_load(f->low), wasm_v128_load(f->high)};
}

#define NAME simd128
#define TARGET
#define VECTOR v128_t
#define WIDTH 16
#define ROWS 4
#define FACTOR nibble_products
#define EXPAND(a) galois_nibbles[a]
#define HELD pair128
#define HOLD(f) hold128(f)
#define SPLIT pair128
#define CUT(v) cut128(v)
#define TIMES(s, h) wasm_v128_xor(wasm_i8x16_swizzle((h).low, (s).low), wasm_i8x16_swizzle((h).high, (s).high))
#define LOAD(p) wasm_v128_load(p)
#define STORE(p, v) wasm_v128_store(p, v)
#define STREAM(p, v) wasm_v128_store(p, v)
#define FENCE (void)0
#define XOR wasm_v128_xor
#define ZERO wasm_i8x16_splat(0)
#include "../kernel.h"

/* Of shards and matrix together; the caller sees to it that they fit. */
#define ARENA_BYTES ((size_t)1536 * 1024)
static uint8_t memory_of_shards[ARENA_BYTES] __attribute__((aligned(64)));

#define EXPORT(name) __attribute__((export_name(name)))

EXPORT("init") void init(void) {
  galois_build_tables();
}

EXPORT("arena") uint8_t *arena(void) {
  return memory_of_shards;
}

EXPORT("arenaBytes") size_t arena_bytes(void) {
  return ARENA_BYTES;
}

/*
 * At the arena's begin `columns` sources and then `rows` targets, `stride` bytes apart, and behind them the matrix. `stride` is a multiple
 * of 16.
 */
EXPORT("multiply") void multiply(unsigned rows, unsigned columns, size_t stride) {
  const uint8_t *sources[SHARDS_MAX];
  uint8_t *targets[SHARDS_MAX];
  for (unsigned c = 0; c < columns; c++) {
    sources[c] = memory_of_shards + c * stride;
  }
  for (unsigned r = 0; r < rows; r++) {
    targets[r] = memory_of_shards + (columns + r) * stride;
  }
  const galois_product product = {memory_of_shards + (columns + rows) * stride, rows, columns, sources, targets, stride, false};
  for (unsigned row = 0; row < rows; row += 4) {
    simd128_kernel(&product, row, rows - row < 4 ? rows - row : 4, targets + row, 0, stride, 0);
  }
}
