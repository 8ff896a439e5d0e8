/* Built when they are first wanted, from the definition: shift, and subtract the polynomial. */
#include "galois-tables.h"

#define POLYNOMIAL 0x11d

uint8_t galois_products[256][256];
nibble_products galois_nibbles[256];
uint64_t galois_affines[256];

static uint8_t multiply_slowly(unsigned a, unsigned b) {
  unsigned product = 0;
  for (; b != 0; b >>= 1) {
    if (b & 1) {
      product ^= a;
    }
    a = (a << 1) ^ (a & 0x80 ? POLYNOMIAL : 0);
  }
  return (uint8_t)product;
}

/* Bit j of the byte 7 - i says whether bit j of the operand goes into bit i of the product. */
static uint64_t affine_of(unsigned a) {
  uint64_t matrix = 0;
  for (unsigned j = 0; j < 8; j++) {
    const unsigned column = galois_products[a][1u << j];
    for (unsigned i = 0; i < 8; i++) {
      matrix |= (uint64_t)((column >> i) & 1) << (8 * (7 - i) + j);
    }
  }
  return matrix;
}

void galois_build_tables(void) {
  for (unsigned a = 0; a < 256; a++) {
    for (unsigned b = 0; b < 256; b++) {
      galois_products[a][b] = multiply_slowly(a, b);
    }
    for (unsigned nibble = 0; nibble < 16; nibble++) {
      galois_nibbles[a].low[nibble] = galois_products[a][nibble];
      galois_nibbles[a].high[nibble] = galois_products[a][nibble << 4];
    }
    galois_affines[a] = affine_of(a);
  }
}
