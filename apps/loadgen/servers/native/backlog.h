#ifndef BACKLOG_H
#define BACKLOG_H

#include <stddef.h>

/* Bytes that found no room in a socket, in order. It owns no memory while it is empty. */
struct backlog {
  char *at;
  size_t from, to, room;
};

static inline size_t backlog_size(const struct backlog *backlog) {
  return backlog->to - backlog->from;
}

void backlog_add(struct backlog *backlog, const char *bytes, size_t size);

/* Forgets the first `size` bytes. */
void backlog_drop(struct backlog *backlog, size_t size);

#endif
