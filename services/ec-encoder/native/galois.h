/*
 * Products of a matrix over GF(2^8), polynomial 0x11d, with shards: what encoding, decoding and verifying come down to. Reads no more than
 * it is given and writes its targets alone, whatever the length and alignment; needs no plan and keeps no state but tables.
 */
#ifndef COUCHESTOR_GALOIS_H
#define COUCHESTOR_GALOIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most sources, and the most targets: a code over 256 elements has no more shards. */
#define SHARDS_MAX 255

typedef enum {
  LEVEL_SCALAR,
  LEVEL_SSSE3,
  LEVEL_AVX2,
  LEVEL_GFNI256,
  LEVEL_GFNI512,
  LEVEL_COUNT
} galois_level;

typedef struct {
  /* row-major: rows x columns */
  const uint8_t *matrix;
  unsigned rows;
  unsigned columns;
  /* one for each column, `length` bytes each; may be the same or overlap */
  const uint8_t *const *sources;
  /* one for each row, `length` bytes each; overlap neither each other nor a source */
  uint8_t *const *targets;
  size_t length;
  /* write around the caches: for what is larger than they are, or will not be read soon */
  bool stream;
} galois_product;

/* Builds the tables. Must return before anything else is called; further calls do nothing. */
void galois_init(void);
const char *galois_level_name(galois_level level);
bool galois_level_works(galois_level level);

void galois_multiply(galois_level level, const galois_product *product);

/* Sets differs[row] where the target is not what multiplying would have written, and clears it elsewhere. Writes no target. */
void galois_compare(galois_level level, const galois_product *product, uint8_t *differs);

#endif
