#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, COLLECTED_BYTES = 1 << 20, HEADER_BYTES = 14 };

static const unsigned char MASK[4] = {0x5a, 0x13, 0xc7, 0x8e};

static char collected[COLLECTED_BYTES];
static size_t collected_size;
static char *read_buffer;
static size_t read_room;

int begin_connect(struct connection *connection, int port, int small_window) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int few = 4096;
  if (small_window) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
    close(fd);
    return -1;
  }
  connection->fd = fd;
  connection->state = CONNECTING;
  return fd;
}

/* A small frame finds room at once; a large one may have to wait for the server to read. */
static int write_all(struct connection *connection, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t written = send(connection->fd, bytes, size, MSG_NOSIGNAL);
    if (written > 0) {
      bytes += written;
      size -= (size_t)written;
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return 0;
    struct pollfd writable = {.fd = connection->fd, .events = POLLOUT};
    if (poll(&writable, 1, 5000) == 0) return 0;
  }
  return 1;
}

int send_upgrade(struct connection *connection, int port, const char *path, const char *header) {
  char request[8192];
  int size = snprintf(request, sizeof request,
                      "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YWVyaWUtbG9hZGdlbi0xNg==\r\n%s%s\r\n",
                      path, port, header == NULL ? "" : header, header == NULL ? "" : "\r\n");
  if (size <= 0 || (size_t)size >= sizeof request) return 0;
  connection->state = UPGRADING;
  return write_all(connection, request, (size_t)size);
}

void collect_frame(int opcode, const char *payload, size_t size) {
  if (collected_size + HEADER_BYTES + size > COLLECTED_BYTES) {
    fprintf(stderr, "loadgen: the messages of one write are larger than %d bytes\n", COLLECTED_BYTES);
    exit(2);
  }
  unsigned char *at = (unsigned char *)collected + collected_size;
  *at++ = (unsigned char)(0x80 | opcode);
  if (size < 126) *at++ = (unsigned char)(0x80 | size);
  else if (size < 65536) {
    *at++ = 0x80 | 126;
    *at++ = (unsigned char)(size >> 8);
    *at++ = (unsigned char)size;
  } else {
    *at++ = 0x80 | 127;
    for (int shift = 56; shift >= 0; shift -= 8) *at++ = (unsigned char)((uint64_t)size >> shift);
  }
  memcpy(at, MASK, 4);
  at += 4;
  for (size_t byte = 0; byte < size; byte += 1) at[byte] = (unsigned char)payload[byte] ^ MASK[byte & 3];
  collected_size = (size_t)(at - (unsigned char *)collected) + size;
}

int send_collected(struct connection *connection) {
  size_t size = collected_size;
  collected_size = 0;
  return connection->state == CLOSED ? 0 : write_all(connection, collected, size);
}

int send_frame(struct connection *connection, int opcode, const char *payload, size_t size) {
  collect_frame(opcode, payload, size);
  return send_collected(connection);
}

/* The bytes of one frame from `at` on, or 0 where it is not whole yet. */
static size_t parse_frame(const char *at, size_t available, struct frame *frame) {
  if (available < 2) return 0;
  const unsigned char *bytes = (const unsigned char *)at;
  size_t header = 2, size = bytes[1] & 127;
  if (size == 126) {
    if (available < 4) return 0;
    size = ((size_t)bytes[2] << 8) | bytes[3];
    header = 4;
  } else if (size == 127) {
    if (available < 10) return 0;
    size = 0;
    for (int byte = 2; byte < 10; byte += 1) size = (size << 8) | bytes[byte];
    header = 10;
  }
  if (available - header < size) return 0;
  *frame = (struct frame){bytes[0] & 15, at + header, size};
  return header + size;
}

/* The length of the answer's head where it is a whole 101; 0 where more must come; -1 for anything else. */
static ssize_t upgraded(const char *at, size_t size) {
  const char *end = memmem(at, size, "\r\n\r\n", 4);
  if (end == NULL) return size > 16 * 1024 ? -1 : 0;
  if (size >= 12 && memcmp(at, "HTTP/1.1 101", 12) == 0) return end + 4 - at;
  const char *line = memchr(at, '\r', size);
  fprintf(stderr, "loadgen: the upgrade was answered with %.*s\n", (int)(line == NULL ? size : (size_t)(line - at)), at);
  return -1;
}

static size_t take_rest(struct connection *connection) {
  size_t size = connection->rest_size;
  if (read_room < size + READ_BYTES) {
    read_room = size + READ_BYTES;
    read_buffer = realloc(read_buffer, read_room);
  }
  if (size > 0) memcpy(read_buffer, connection->rest, size);
  connection->rest_size = 0;
  return size;
}

static void keep_rest(struct connection *connection, const char *at, size_t size) {
  if (size == 0) {
    free(connection->rest);
    connection->rest = NULL;
  } else {
    connection->rest = realloc(connection->rest, size);
    memcpy(connection->rest, at, size);
  }
  connection->rest_size = size;
}

int receive(struct connection *connection, frame_handler *on_frame) {
  size_t size = take_rest(connection);
  ssize_t got = recv(connection->fd, read_buffer + size, READ_BYTES, 0);
  if (got <= 0) {
    int alive = got < 0 && (errno == EAGAIN || errno == EINTR);
    if (alive) keep_rest(connection, read_buffer, size);
    return alive;
  }
  size += (size_t)got;
  size_t at = 0;
  if (connection->state == UPGRADING) {
    ssize_t head = upgraded(read_buffer, size);
    if (head < 0) return 0;
    if (head > 0) connection->state = OPEN;
    at = (size_t)head;
  }
  struct frame frame;
  while (connection->state == OPEN) {
    size_t length = parse_frame(read_buffer + at, size - at, &frame);
    if (length == 0) break;
    at += length;
    on_frame(connection, &frame);
  }
  if (connection->state == CLOSED) return 0;
  keep_rest(connection, read_buffer + at, size - at);
  return 1;
}

void drop(struct connection *connection) {
  if (connection->fd < 0) return;
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(connection->fd);
  free(connection->rest);
  connection->rest = NULL;
  connection->rest_size = 0;
  connection->fd = -1;
  connection->state = CLOSED;
}
