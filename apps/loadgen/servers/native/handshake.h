#ifndef HANDSHAKE_H
#define HANDSHAKE_H

#include "text.h"

enum { MAX_HEAD_BYTES = 16 * 1024, MAX_ANSWER_BYTES = 256 };

/* Writes what answers a whole request head to `answer`: 101 where it asks for /ws as RFC 6455 says, or 400. True for a 101. */
int answer_upgrade(struct text head, char answer[MAX_ANSWER_BYTES]);

#endif
