#include "backlog.h"

#include <stdlib.h>
#include <string.h>

/* Moved to the front only where that frees half of the room, so that a byte is not moved again and again. */
static void make_room(struct backlog *backlog, size_t size) {
  if (backlog->from > 0 && backlog->from >= backlog->room / 2) {
    memmove(backlog->at, backlog->at + backlog->from, backlog_size(backlog));
    backlog->to -= backlog->from;
    backlog->from = 0;
  }
  if (backlog->to + size <= backlog->room) return;
  backlog->room = (backlog->to + size) * 2;
  backlog->at = realloc(backlog->at, backlog->room);
}

void backlog_add(struct backlog *backlog, const char *bytes, size_t size) {
  if (backlog->to + size > backlog->room) make_room(backlog, size);
  memcpy(backlog->at + backlog->to, bytes, size);
  backlog->to += size;
}

void backlog_drop(struct backlog *backlog, size_t size) {
  backlog->from += size;
  if (backlog->from < backlog->to) return;
  free(backlog->at);
  *backlog = (struct backlog){.at = NULL};
}
