#ifndef FRAME_H
#define FRAME_H

#include <stdint.h>
#include <sys/types.h>

#include "text.h"

enum { OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };
enum { PROTOCOL_ERROR = 1002, UNSUPPORTED_DATA = 1003, TOO_BIG = 1009 };
enum { MAX_MESSAGE_BYTES = 1 << 20, MAX_CONTROL_BYTES = 125, MAX_FRAME_BYTES = MAX_MESSAGE_BYTES + 14 };

struct frame {
  int opcode;
  struct text payload;
};

/* Reads a client's frame at `bytes` and unmasks it where it lies. Returns its length, 0 where it is not whole yet, or the
 * close code as a negative number where it must be refused; messages in pieces and binary ones are. */
ssize_t read_frame(unsigned char *bytes, size_t available, struct frame *frame);

/* The parts as one frame, in a buffer that the next call uses again. Together they are hardly larger than a message. */
struct text frame_of(int opcode, const struct text *parts, int count);

#endif
