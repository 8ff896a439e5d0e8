/*
 * The body of one vector kernel, included once for each instruction set. The including file defines
 *   NAME, TARGET      prefix of the functions, and their target attribute
 *   VECTOR, WIDTH     the vector type and its bytes
 *   ROWS              the most rows that fit the registers at two vectors each
 *   FACTOR            a coefficient as the kernel wants it; EXPAND(byte) makes one
 *   HELD, HOLD(f)     that coefficient in registers
 *   SPLIT, CUT(v)     a source vector prepared for multiplication
 *   TIMES(s, h)       their product
 *   LOAD, STORE, STREAM (a store around the caches), FENCE (after such), XOR, ZERO
 *
 * Each source is read once for up to ROWS rows. A rest shorter than a vector is done by doing the last whole vector again, which writes the
 * same bytes a second time: so nothing outside [from, to) is touched, and no masks are needed.
 */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define FN(suffix) JOIN(NAME, suffix)

TARGET static inline __attribute__((always_inline)) void FN(_column)(const unsigned rows, const unsigned vectors, const bool stream,
                                                                     const FACTOR *factors, unsigned columns, const uint8_t *const *sources,
                                                                     uint8_t *const *targets, size_t at, size_t target_at) {
  VECTOR sum[ROWS][2];
#pragma GCC unroll 8
  for (unsigned r = 0; r < rows; r++) {
#pragma GCC unroll 2
    for (unsigned v = 0; v < vectors; v++) {
      sum[r][v] = ZERO;
    }
  }
  for (unsigned c = 0; c < columns; c++) {
    const uint8_t *source = sources[c] + at;
    const FACTOR *factor = factors + (size_t)c * rows;
    SPLIT split[2];
#pragma GCC unroll 2
    for (unsigned v = 0; v < vectors; v++) {
      split[v] = CUT(LOAD(source + v * WIDTH));
    }
#pragma GCC unroll 8
    for (unsigned r = 0; r < rows; r++) {
      const HELD held = HOLD(factor + r);
#pragma GCC unroll 2
      for (unsigned v = 0; v < vectors; v++) {
        sum[r][v] = XOR(sum[r][v], TIMES(split[v], held));
      }
    }
  }
#pragma GCC unroll 8
  for (unsigned r = 0; r < rows; r++) {
#pragma GCC unroll 2
    for (unsigned v = 0; v < vectors; v++) {
      if (stream) {
        STREAM(targets[r] + target_at + v * WIDTH, sum[r][v]);
      } else {
        STORE(targets[r] + target_at + v * WIDTH, sum[r][v]);
      }
    }
  }
}

/* [from, to) holds at least one vector. */
TARGET static inline __attribute__((always_inline)) void FN(_rows)(const unsigned rows, const FACTOR *factors, unsigned columns,
                                                                   const uint8_t *const *sources, uint8_t *const *targets, size_t from,
                                                                   size_t to, size_t target_base, bool stream) {
  size_t at = from;
  /* To the targets' alignment: shards from one allocator mostly share it, and then all further loads and stores are aligned. */
  const size_t misaligned = (uintptr_t)(targets[0] + (from - target_base)) % WIDTH;
  if (misaligned != 0) {
    FN(_column)(rows, 1, false, factors, columns, sources, targets, at, at - target_base);
    at += WIDTH - misaligned;
  }
  for (unsigned r = 1; r < rows; r++) {
    stream = stream && (uintptr_t)(targets[r] + (at - target_base)) % WIDTH == 0;
  }
  if (stream) {
    for (; at + 2 * WIDTH <= to; at += 2 * WIDTH) {
      FN(_column)(rows, 2, true, factors, columns, sources, targets, at, at - target_base);
    }
    FENCE;
  } else {
    for (; at + 2 * WIDTH <= to; at += 2 * WIDTH) {
      FN(_column)(rows, 2, false, factors, columns, sources, targets, at, at - target_base);
    }
  }
  if (at + WIDTH <= to) {
    FN(_column)(rows, 1, false, factors, columns, sources, targets, at, at - target_base);
    at += WIDTH;
  }
  if (at < to) {
    at = to - WIDTH;
    FN(_column)(rows, 1, false, factors, columns, sources, targets, at, at - target_base);
  }
}

/* At most ROWS rows of the matrix, from `first_row` on. */
TARGET static void FN(_kernel)(const galois_product *p, unsigned first_row, unsigned rows, uint8_t *const *targets, size_t from, size_t to,
                               size_t target_base) {
  FACTOR factors[SHARDS_MAX * ROWS];
  for (unsigned c = 0; c < p->columns; c++) {
    for (unsigned r = 0; r < rows; r++) {
      factors[c * rows + r] = EXPAND(p->matrix[(size_t)(first_row + r) * p->columns + c]);
    }
  }
  switch (rows) {
    case 1: FN(_rows)(1, factors, p->columns, p->sources, targets, from, to, target_base, p->stream); break;
    case 2: FN(_rows)(2, factors, p->columns, p->sources, targets, from, to, target_base, p->stream); break;
    case 3: FN(_rows)(3, factors, p->columns, p->sources, targets, from, to, target_base, p->stream); break;
    case 4: FN(_rows)(4, factors, p->columns, p->sources, targets, from, to, target_base, p->stream); break;
#if ROWS > 4
    case 5: FN(_rows)(5, factors, p->columns, p->sources, targets, from, to, target_base, p->stream); break;
    case 6: FN(_rows)(6, factors, p->columns, p->sources, targets, from, to, target_base, p->stream); break;
#endif
  }
}

#undef JOIN_
#undef JOIN
#undef FN
#undef NAME
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef ROWS
#undef FACTOR
#undef EXPAND
#undef HELD
#undef HOLD
#undef SPLIT
#undef CUT
#undef TIMES
#undef LOAD
#undef STORE
#undef STREAM
#undef FENCE
#undef XOR
#undef ZERO
