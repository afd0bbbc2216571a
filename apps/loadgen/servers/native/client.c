#include "client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channels.h"
#include "frame.h"
#include "handshake.h"
#include "messages.h"

enum { READ_BYTES = 256 * 1024, MAX_UNSENT_BYTES = 16 << 20 };

static struct client *gone;

static void watch(struct client *client, uint32_t events, int operation) {
  struct epoll_event event = {.events = events, .data.ptr = client};
  epoll_ctl(epoll_fd, operation, client->fd, &event);
}

void begin_client(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct client *client = calloc(1, sizeof *client);
  client->fd = fd;
  watch(client, EPOLLIN, EPOLL_CTL_ADD);
}

static void end_client(struct client *client) {
  if (client->state == GONE) return;
  client->state = GONE;
  client->next_gone = gone;
  gone = client;
}

void bury_clients(void) {
  while (gone != NULL) {
    struct client *client = gone;
    gone = client->next_gone;
    leave_all(client);
    close(client->fd);
    free(client->unread);
    backlog_drop(&client->unsent, backlog_size(&client->unsent));
    free(client);
  }
}

/* Bytes that the socket took, at once or none; -1 where it is broken. */
static ssize_t write_some(struct client *client, const char *bytes, size_t size) {
  ssize_t written = write(client->fd, bytes, size);
  return written < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : written;
}

void send_bytes(struct client *client, struct text bytes) {
  if (client->state == GONE) return;
  size_t behind = backlog_size(&client->unsent);
  ssize_t written = behind > 0 ? 0 : write_some(client, bytes.at, bytes.size);
  if (written == (ssize_t)bytes.size) return;
  size_t left = bytes.size - (size_t)written;
  if (written < 0 || behind + left > MAX_UNSENT_BYTES) return end_client(client);
  backlog_add(&client->unsent, bytes.at + written, left);
  if (behind == 0) watch(client, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

static void send_unsent(struct client *client) {
  struct backlog *unsent = &client->unsent;
  ssize_t written = write_some(client, unsent->at + unsent->from, backlog_size(unsent));
  if (written < 0) return end_client(client);
  backlog_drop(unsent, (size_t)written);
  if (backlog_size(unsent) == 0) watch(client, EPOLLIN, EPOLL_CTL_MOD);
}

static void send_control(struct client *client, int opcode, struct text payload) {
  send_bytes(client, frame_of(opcode, &payload, 1));
}

void refuse(struct client *client, int close_code) {
  char code[2] = {(char)(close_code >> 8), (char)close_code};
  send_control(client, OPCODE_CLOSE, (struct text){code, sizeof code});
  end_client(client);
}

/* The length of the request's head, or 0 where it is not whole yet. */
static size_t take_head(struct client *client, const char *bytes, size_t size) {
  const char *end = memmem(bytes, size, "\r\n\r\n", 4);
  if (end == NULL) {
    if (size > MAX_HEAD_BYTES) end_client(client);
    return 0;
  }
  char answer[MAX_ANSWER_BYTES];
  size_t length = (size_t)(end - bytes) + 4;
  int is_upgraded = answer_upgrade((struct text){bytes, length}, answer);
  if (is_upgraded) client->state = OPEN;
  send_bytes(client, (struct text){answer, strlen(answer)});
  if (!is_upgraded) end_client(client);
  return length;
}

static void take_frame(struct client *client, const struct frame *frame) {
  if (frame->opcode == OPCODE_TEXT) return take_message(client, frame->payload);
  if (frame->opcode == OPCODE_PING) return send_control(client, OPCODE_PONG, frame->payload);
  if (frame->opcode == OPCODE_PONG) return;
  send_control(client, OPCODE_CLOSE, frame->payload);
  end_client(client);
}

/* Bytes of what was whole and is done. */
static size_t take(struct client *client, char *bytes, size_t size) {
  size_t at = client->state == UPGRADING ? take_head(client, bytes, size) : 0;
  struct frame frame;
  while (client->state == OPEN) {
    ssize_t length = read_frame((unsigned char *)bytes + at, size - at, &frame);
    if (length < 0) refuse(client, (int)-length);
    if (length <= 0) break;
    take_frame(client, &frame);
    at += (size_t)length;
  }
  return at;
}

static void keep_unread(struct client *client, const char *bytes, size_t size) {
  free(client->unread);
  client->unread = size == 0 ? NULL : memcpy(malloc(size), bytes, size);
  client->unread_size = size;
}

/* One buffer serves all clients: idle ones cost no memory. */
static void read_client(struct client *client) {
  static char buffer[MAX_FRAME_BYTES + READ_BYTES];
  size_t size = client->unread_size;
  if (size > 0) memcpy(buffer, client->unread, size);
  ssize_t got = read(client->fd, buffer + size, READ_BYTES);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return end_client(client);
  size += (size_t)got;
  size_t taken = take(client, buffer, size);
  keep_unread(client, buffer + taken, size - taken);
}

void serve_client(struct client *client, uint32_t events) {
  if (client->state != GONE && (events & EPOLLOUT) != 0) send_unsent(client);
  if (client->state != GONE && (events & ~(uint32_t)EPOLLOUT) != 0) read_client(client);
}
