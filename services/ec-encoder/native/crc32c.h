/* CRC-32C (Castagnoli), as iSCSI, ext4 and S3 have it: crc32c(b, crc32c(a, 0)) is the checksum of a followed by b. */
#ifndef COUCHESTOR_CRC32C_H
#define COUCHESTOR_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Builds the tables. Must return before anything else is called; further calls do nothing. */
void crc32c_init(void);
/* By the best there is for this processor. */
uint32_t crc32c(const uint8_t *data, size_t length, uint32_t seed);

/* In rising order: whoever has one has all before it. */
typedef enum {
  CRC32C_TABLE,
  CRC32C_SSE42,
  CRC32C_VPCLMULQDQ,
  CRC32C_COUNT
} crc32c_kind;

crc32c_kind crc32c_best(void);
const char *crc32c_name(crc32c_kind kind);
/* `kind` no higher than the best. */
uint32_t crc32c_by(crc32c_kind kind, const uint8_t *data, size_t length, uint32_t seed);

#endif
