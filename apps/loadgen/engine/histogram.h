#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

/* Nanoseconds in log-linear buckets: 32 to each power of two, so that a value is off by 3 % at most. */
struct histogram {
  uint64_t counts[64 * 32];
  uint64_t total;
  uint64_t largest;
};

static inline int bucket_of(uint64_t value) {
  if (value < 32) return (int)value;
  int exponent = 63 - __builtin_clzll(value);
  return (exponent - 4) * 32 + (int)((value >> (exponent - 5)) & 31);
}

static inline void record(struct histogram *histogram, uint64_t value) {
  histogram->counts[bucket_of(value)] += 1;
  histogram->total += 1;
  if (value > histogram->largest) histogram->largest = value;
}

static inline uint64_t percentile(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)((double)histogram->total * share), seen = 0;
  for (int bucket = 0; bucket < 64 * 32; bucket += 1) {
    seen += histogram->counts[bucket];
    if (seen <= wanted) continue;
    if (bucket < 32) return (uint64_t)bucket;
    int exponent = bucket / 32 + 4;
    uint64_t value = (uint64_t)(32 + bucket % 32) << (exponent - 5);
    return value < histogram->largest ? value : histogram->largest;
  }
  return histogram->largest;
}

#endif
