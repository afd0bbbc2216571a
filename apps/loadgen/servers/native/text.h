#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <string.h>

/* Bytes that somebody else owns. */
struct text {
  const char *at;
  size_t size;
};

#define TEXT(literal) ((struct text){literal, sizeof(literal) - 1})

static inline int equal(struct text one, struct text other) {
  return one.size == other.size && memcmp(one.at, other.at, one.size) == 0;
}

#endif
