/*
 * Debian's libisal for bench/codec.ts, measured beside the add-on: reads "encode COUNT" or "copy COUNT" from its standard input, does that to
 * as many stripes in turn, and answers with the nanoseconds it took. Arguments: data shards, parity shards, bytes of a shard, stripes.
 */
#include <isa-l/erasure_code.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned char **shards(int count, size_t bytes) {
  unsigned char **made = malloc((size_t)count * sizeof *made);
  for (int i = 0; i < count; i++) {
    /* As Node's buffers begin: a little after a page, so that nobody has the better alignment. */
    made[i] = (unsigned char *)aligned_alloc(4096, (bytes + 8191) / 4096 * 4096) + 16;
    memset(made[i], i * 37 + 1, bytes);
  }
  return made;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    return 2;
  }
  const int data = atoi(argv[1]);
  const int parity = atoi(argv[2]);
  const size_t bytes = strtoul(argv[3], NULL, 10);
  const int stripes = atoi(argv[4]);
  unsigned char *matrix = malloc((size_t)(data + parity) * (size_t)data);
  unsigned char *tables = malloc((size_t)32 * (size_t)data * (size_t)parity);
  gf_gen_cauchy1_matrix(matrix, data + parity, data);
  ec_init_tables(data, parity, matrix + data * data, tables);
  unsigned char ***sources = malloc((size_t)stripes * sizeof *sources);
  unsigned char ***targets = malloc((size_t)stripes * sizeof *targets);
  unsigned char **copies = shards(data, bytes);
  for (int i = 0; i < stripes; i++) {
    sources[i] = shards(data, bytes);
    targets[i] = shards(parity, bytes);
  }
  char what[16];
  int count;
  int next = 0;
  while (scanf("%15s %d", what, &count) == 2) {
    struct timespec from;
    struct timespec to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < count; i++, next = (next + 1) % stripes) {
      if (strcmp(what, "encode") == 0) {
        ec_encode_data((int)bytes, data, parity, tables, sources[next], targets[next]);
      } else {
        for (int shard = 0; shard < data; shard++) {
          memcpy(copies[shard], sources[next][shard], bytes);
        }
      }
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%lld\n", (long long)(to.tv_sec - from.tv_sec) * 1000000000LL + (to.tv_nsec - from.tv_nsec));
    fflush(stdout);
  }
  return 0;
}
