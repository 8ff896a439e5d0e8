/* Multiplication over GF(2^8) in the three forms that kernels want it in. */
#ifndef COUCHESTOR_GALOIS_TABLES_H
#define COUCHESTOR_GALOIS_TABLES_H

#include <stdint.h>

typedef struct {
  uint8_t low[16];
  uint8_t high[16];
} __attribute__((aligned(32))) nibble_products;

/* galois_products[a][b] = a * b */
extern uint8_t galois_products[256][256];
/* a * (low nibble), a * (high nibble), as a byte shuffle wants them */
extern nibble_products galois_nibbles[256];
/* The 8 x 8 bit matrix of multiplication by a, as GF2P8AFFINEQB wants it */
extern uint64_t galois_affines[256];

void galois_build_tables(void);

#endif
