#include "sha1.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK_BYTES = 64, LENGTH_BYTES = 8, WORDS = 5 };

static uint32_t rotated(uint32_t value, int by) {
  return value << by | value >> (32 - by);
}

static uint32_t word_at(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The function and the constant of each round of FIPS 180-4. */
static uint32_t mixed(int round, const uint32_t state[WORDS]) {
  uint32_t b = state[1], c = state[2], d = state[3];
  if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999u;
  if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1u;
  if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu;
  return (b ^ c ^ d) + 0xca62c1d6u;
}

static void take_block(uint32_t hash[WORDS], const unsigned char *block) {
  uint32_t words[80], state[WORDS];
  for (int at = 0; at < 16; at += 1) words[at] = word_at(block + 4 * at);
  for (int at = 16; at < 80; at += 1)
    words[at] = rotated(words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16], 1);
  memcpy(state, hash, sizeof state);
  for (int round = 0; round < 80; round += 1) {
    uint32_t first = rotated(state[0], 5) + mixed(round, state) + state[4] + words[round];
    uint32_t next[WORDS] = {first, state[0], rotated(state[1], 30), state[2], state[3]};
    memcpy(state, next, sizeof state);
  }
  for (int at = 0; at < WORDS; at += 1) hash[at] += state[at];
}

void sha1(const char *bytes, size_t size, unsigned char digest[SHA1_BYTES]) {
  uint32_t hash[WORDS] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  size_t at = 0;
  for (; size - at >= BLOCK_BYTES; at += BLOCK_BYTES) take_block(hash, (const unsigned char *)bytes + at);

  unsigned char tail[2 * BLOCK_BYTES] = {0};
  size_t rest = size - at, end = rest + 1 + LENGTH_BYTES <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  memcpy(tail, bytes + at, rest);
  tail[rest] = 0x80;
  for (int byte = 0; byte < LENGTH_BYTES; byte += 1) tail[end - 1 - (size_t)byte] = (unsigned char)((uint64_t)size * 8 >> (8 * byte));
  for (size_t block = 0; block < end; block += BLOCK_BYTES) take_block(hash, tail + block);

  for (int byte = 0; byte < SHA1_BYTES; byte += 1) digest[byte] = (unsigned char)(hash[byte / 4] >> (24 - 8 * (byte % 4)));
}
