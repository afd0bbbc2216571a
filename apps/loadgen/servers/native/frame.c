#include "frame.h"

enum { FIN = 0x80, RESERVED = 0x70, MASKED = 0x80, MASK_BYTES = 4, MAX_HEADER_BYTES = 10, ROOM_AROUND = 1024 };

static size_t number_at(const unsigned char *at, int bytes) {
  size_t number = 0;
  for (int byte = 0; byte < bytes; byte += 1) number = number << 8 | at[byte];
  return number;
}

/* Bytes of the length that follow the first two. */
static int extra_length(unsigned char second) {
  int length = second & 0x7f;
  return length == 126 ? 2 : length == 127 ? 8 : 0;
}

/* The close code for what the first two bytes say, or 0. */
static int refusal(unsigned char first, unsigned char second) {
  int opcode = first & 0x0f, is_control = opcode >= OPCODE_CLOSE;
  if ((first & RESERVED) != 0 || (second & MASKED) == 0 || opcode > OPCODE_PONG) return PROTOCOL_ERROR;
  if (is_control) return (first & FIN) == 0 || (second & 0x7f) > MAX_CONTROL_BYTES ? PROTOCOL_ERROR : 0;
  return opcode != OPCODE_TEXT || (first & FIN) == 0 ? UNSUPPORTED_DATA : 0;
}

static void unmask(unsigned char *payload, size_t size, const unsigned char mask[MASK_BYTES]) {
  uint64_t key, word;
  memcpy(&key, mask, MASK_BYTES);
  memcpy((char *)&key + MASK_BYTES, mask, MASK_BYTES);
  size_t at = 0;
  for (; at + sizeof word <= size; at += sizeof word) {
    memcpy(&word, payload + at, sizeof word);
    word ^= key;
    memcpy(payload + at, &word, sizeof word);
  }
  for (; at < size; at += 1) payload[at] ^= mask[at % MASK_BYTES];
}

ssize_t read_frame(unsigned char *bytes, size_t available, struct frame *frame) {
  if (available < 2) return 0;
  int refused = refusal(bytes[0], bytes[1]), extra = extra_length(bytes[1]);
  if (refused != 0) return -refused;
  size_t header = 2 + (size_t)extra + MASK_BYTES;
  if (available < header) return 0;
  size_t size = extra == 0 ? bytes[1] & 0x7f : number_at(bytes + 2, extra);
  if (size > MAX_MESSAGE_BYTES) return -TOO_BIG;
  if (available - header < size) return 0;
  unmask(bytes + header, size, bytes + header - MASK_BYTES);
  *frame = (struct frame){bytes[0] & 0x0f, {(const char *)bytes + header, size}};
  return (ssize_t)(header + size);
}

/* Writes the header so that it ends at `end`, and returns where it begins. */
static char *put_header(char *end, int opcode, size_t size) {
  int extra = size < 126 ? 0 : size < 65536 ? 2 : 8;
  char *begin = end - 2 - extra;
  begin[0] = (char)(FIN | opcode);
  begin[1] = (char)(extra == 0 ? size : extra == 2 ? 126 : 127);
  for (int byte = 0; byte < extra; byte += 1) begin[2 + byte] = (char)((uint64_t)size >> (8 * (extra - 1 - byte)));
  return begin;
}

struct text frame_of(int opcode, const struct text *parts, int count) {
  static char buffer[MAX_HEADER_BYTES + MAX_MESSAGE_BYTES + ROOM_AROUND];
  char *payload = buffer + MAX_HEADER_BYTES;
  size_t size = 0;
  for (int part = 0; part < count; part += 1) {
    memcpy(payload + size, parts[part].at, parts[part].size);
    size += parts[part].size;
  }
  char *begin = put_header(payload, opcode, size);
  return (struct text){begin, (size_t)(payload - begin) + size};
}
