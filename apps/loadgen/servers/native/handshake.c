#include "handshake.h"

#include <stdio.h>
#include <strings.h>

#include "sha1.h"

enum { KEY_BYTES = 24, ACCEPT_BYTES = 28 };

static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
static const char REFUSAL[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

static void base64(const unsigned char *bytes, size_t size, char *into) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < size; at += 3) {
    unsigned second = at + 1 < size ? bytes[at + 1] : 0, third = at + 2 < size ? bytes[at + 2] : 0;
    unsigned group = (unsigned)bytes[at] << 16 | second << 8 | third;
    *into++ = digits[group >> 18];
    *into++ = digits[group >> 12 & 63];
    *into++ = at + 1 < size ? digits[group >> 6 & 63] : '=';
    *into++ = at + 2 < size ? digits[group & 63] : '=';
  }
}

/* The value of a header, without the spaces around it; empty where there is none. */
static struct text header(struct text head, const char *name) {
  size_t length = strlen(name);
  const char *end = head.at + head.size, *line = head.at, *next;
  for (; (next = memmem(line, (size_t)(end - line), "\r\n", 2)) != NULL; line = next + 2) {
    if ((size_t)(next - line) <= length || line[length] != ':' || strncasecmp(line, name, length) != 0) continue;
    const char *from = line + length + 1, *to = next;
    while (from < to && *from == ' ') from += 1;
    while (to > from && to[-1] == ' ') to -= 1;
    return (struct text){from, (size_t)(to - from)};
  }
  return (struct text){NULL, 0};
}

static int asks_for_path(struct text head) {
  static const char wanted[] = "GET /ws";
  size_t size = sizeof wanted - 1;
  return head.size > size && memcmp(head.at, wanted, size) == 0 && (head.at[size] == ' ' || head.at[size] == '?');
}

static int is_upgrade(struct text head) {
  struct text upgrade = header(head, "Upgrade"), version = header(head, "Sec-WebSocket-Version");
  return upgrade.size == 9 && strncasecmp(upgrade.at, "websocket", 9) == 0 && version.size == 2 &&
         memcmp(version.at, "13", 2) == 0 && header(head, "Sec-WebSocket-Key").size == KEY_BYTES;
}

int answer_upgrade(struct text head, char answer[MAX_ANSWER_BYTES]) {
  if (!asks_for_path(head) || !is_upgrade(head)) {
    memcpy(answer, REFUSAL, sizeof REFUSAL);
    return 0;
  }
  char keyed[KEY_BYTES + sizeof GUID], accept[ACCEPT_BYTES + 1] = "";
  unsigned char digest[SHA1_BYTES];
  memcpy(keyed, header(head, "Sec-WebSocket-Key").at, KEY_BYTES);
  memcpy(keyed + KEY_BYTES, GUID, sizeof GUID);
  sha1(keyed, sizeof keyed - 1, digest);
  base64(digest, SHA1_BYTES, accept);
  snprintf(answer, MAX_ANSWER_BYTES,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
           accept);
  return 1;
}
