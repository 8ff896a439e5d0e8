/*
 * sse4.2: the CRC32 instruction has a latency of three cycles and can begin one each cycle: three stretches side by side keep it busy. They are
 * joined by moving the first checksum over the bytes of the next stretch, as if those were zero; tables do that for the two lengths of a
 * stretch.
 *
 * vpclmulqdq: a message may be replaced by any other that leaves the same rest when divided by the polynomial. So sixteen pieces of 128 bits are
 * multiplied, without carries, by what moves them over 256 bytes, and added to the next sixteen; in the end they are added up to one piece,
 * whose checksum is that of the whole.
 */
#include "crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* 0x1edc6f41 with its bits reversed */
#define POLYNOMIAL 0x82f63b78u

/* Three of the long ones are 4 KiB less two words; the short ones are for what is left. */
#define LONG_BYTES ((size_t)1360)
#define SHORT_BYTES ((size_t)80)

/* bytewise[n][b]: the byte b followed by n zero bytes */
static uint32_t bytewise[8][256];
/* over_long[n][b]: the byte n of a checksum, being b, moved over LONG_BYTES zero bytes */
static uint32_t over_long[4][256];
static uint32_t over_short[4][256];
/* multipliers[n]: what moves 128 bits over n + 1 times 16 bytes, for those up to FOLD_BYTES; two 64-bit halves */
#define FOLD_BYTES ((size_t)256)
static uint64_t multipliers[256 / 16][2];
static crc32c_kind best;

static uint32_t move_over_zeros(uint32_t crc, size_t bytes) {
  while (bytes-- > 0) {
    crc = crc >> 8 ^ bytewise[0][crc & 0xff];
  }
  return crc;
}

/* x^exponent modulo the polynomial, with its bits reversed, for a multiplication of reversed numbers. */
static uint64_t power(unsigned exponent) {
  uint32_t rest = 0x80000000u;
  while (exponent-- > 0) {
    rest = rest >> 1 ^ (rest & 1 ? POLYNOMIAL : 0);
  }
  return (uint64_t)rest << 1;
}

static void build_tables(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) {
      crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
    }
    bytewise[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte++) {
    for (int n = 1; n < 8; n++) {
      bytewise[n][byte] = move_over_zeros(bytewise[n - 1][byte], 1);
    }
    for (int n = 0; n < 4; n++) {
      over_long[n][byte] = move_over_zeros(byte << 8 * n, LONG_BYTES);
      over_short[n][byte] = move_over_zeros(byte << 8 * n, SHORT_BYTES);
    }
  }
  for (unsigned n = 0; n < 256 / 16; n++) {
    const unsigned bits = (n + 1) * 128;
    multipliers[n][0] = power(bits + 32);
    multipliers[n][1] = power(bits - 32);
  }
  best = CRC32C_TABLE;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) {
    best = CRC32C_SSE42;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("vpclmulqdq") &&
        __builtin_cpu_supports("pclmul")) {
      best = CRC32C_VPCLMULQDQ;
    }
  }
#endif
}

void crc32c_init(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, build_tables);
}

crc32c_kind crc32c_best(void) {
  return best;
}

const char *crc32c_name(crc32c_kind kind) {
  static const char *const names[CRC32C_COUNT] = {"table", "sse4.2", "vpclmulqdq"};
  return names[kind];
}

static uint64_t word_at(const uint8_t *data) {
  uint64_t word;
  memcpy(&word, data, sizeof word);
  return word;
}

static uint32_t by_tables(const uint8_t *data, size_t length, uint32_t crc) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  for (; length >= 8; data += 8, length -= 8) {
    const uint64_t word = word_at(data) ^ crc;
    crc = 0;
    for (int n = 0; n < 8; n++) {
      crc ^= bytewise[7 - n][word >> 8 * n & 0xff];
    }
  }
#endif
  for (; length > 0; data++, length--) {
    crc = crc >> 8 ^ bytewise[0][(crc ^ *data) & 0xff];
  }
  return crc;
}

#if defined(__x86_64__)

static inline uint64_t moved(const uint32_t table[4][256], uint64_t crc) {
  return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^ table[3][crc >> 24 & 0xff];
}

__attribute__((target("sse4.2"))) static inline uint64_t three_stretches(const uint8_t *data, const size_t bytes,
                                                                         const uint32_t table[4][256], uint64_t crc) {
  uint64_t second = 0;
  uint64_t third = 0;
  for (size_t at = 0; at < bytes; at += 8) {
    crc = _mm_crc32_u64(crc, word_at(data + at));
    second = _mm_crc32_u64(second, word_at(data + bytes + at));
    third = _mm_crc32_u64(third, word_at(data + 2 * bytes + at));
  }
  return moved(table, moved(table, crc) ^ second) ^ third;
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(const uint8_t *data, size_t length, uint32_t seed) {
  uint64_t crc = seed;
  for (; length >= 3 * LONG_BYTES; data += 3 * LONG_BYTES, length -= 3 * LONG_BYTES) {
    crc = three_stretches(data, LONG_BYTES, over_long, crc);
  }
  for (; length >= 3 * SHORT_BYTES; data += 3 * SHORT_BYTES, length -= 3 * SHORT_BYTES) {
    crc = three_stretches(data, SHORT_BYTES, over_short, crc);
  }
  for (; length >= 8; data += 8, length -= 8) {
    crc = _mm_crc32_u64(crc, word_at(data));
  }
  uint32_t rest = (uint32_t)crc;
  for (; length > 0; data++, length--) {
    rest = _mm_crc32_u8(rest, *data);
  }
  return rest;
}

#define FOLDING __attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul,sse4.2")))

/* Moves four pieces of 128 bits, and adds them to others. */
FOLDING static inline __m512i moved_onto(__m512i pieces, __m512i multiplier, __m512i onto) {
  /* 0x96: the exclusive or of all three */
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(pieces, multiplier, 0x00), _mm512_clmulepi64_epi128(pieces, multiplier, 0x11),
                                   onto, 0x96);
}

FOLDING static inline __m512i multiplier_over(size_t bytes) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)multipliers[bytes / 16 - 1]));
}

FOLDING static inline __m512i four_pieces(const uint8_t *data) {
  return _mm512_loadu_si512((const void *)data);
}

FOLDING static uint32_t by_folding(const uint8_t *data, size_t length, uint32_t seed) {
  if (length < FOLD_BYTES) {
    return by_instruction(data, length, seed);
  }
  __m512i first = _mm512_xor_si512(four_pieces(data), _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)seed)));
  __m512i second = four_pieces(data + 64);
  __m512i third = four_pieces(data + 128);
  __m512i fourth = four_pieces(data + 192);
  const __m512i over_all = multiplier_over(FOLD_BYTES);
  for (data += FOLD_BYTES, length -= FOLD_BYTES; length >= FOLD_BYTES; data += FOLD_BYTES, length -= FOLD_BYTES) {
    first = moved_onto(first, over_all, four_pieces(data));
    second = moved_onto(second, over_all, four_pieces(data + 64));
    third = moved_onto(third, over_all, four_pieces(data + 128));
    fourth = moved_onto(fourth, over_all, four_pieces(data + 192));
  }
  fourth = moved_onto(first, multiplier_over(192), fourth);
  fourth = moved_onto(second, multiplier_over(128), fourth);
  fourth = moved_onto(third, multiplier_over(64), fourth);
  /* The four pieces of one register, each over those behind it; the last one stays where it is. */
  uint64_t rest[8];
  _mm512_storeu_si512(rest, fourth);
  __m128i sum = _mm_loadu_si128((const __m128i *)(rest + 6));
  for (size_t piece = 0; piece < 3; piece++) {
    const __m128i bits = _mm_loadu_si128((const __m128i *)(rest + 2 * piece));
    const __m128i multiplier = _mm_loadu_si128((const __m128i *)multipliers[2 - piece]);
    sum = _mm_xor_si128(sum, _mm_xor_si128(_mm_clmulepi64_si128(bits, multiplier, 0x00), _mm_clmulepi64_si128(bits, multiplier, 0x11)));
  }
  uint64_t crc = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(sum));
  crc = _mm_crc32_u64(crc, (uint64_t)_mm_extract_epi64(sum, 1));
  return by_instruction(data, length, (uint32_t)crc);
}

#endif

uint32_t crc32c_by(crc32c_kind kind, const uint8_t *data, size_t length, uint32_t seed) {
#if defined(__x86_64__)
  if (kind == CRC32C_VPCLMULQDQ) {
    return ~by_folding(data, length, ~seed);
  }
  if (kind == CRC32C_SSE42) {
    return ~by_instruction(data, length, ~seed);
  }
#endif
  (void)kind;
  return ~by_tables(data, length, ~seed);
}

uint32_t crc32c(const uint8_t *data, size_t length, uint32_t seed) {
  return crc32c_by(best, data, length, seed);
}
