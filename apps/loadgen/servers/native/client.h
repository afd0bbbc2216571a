#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "backlog.h"
#include "text.h"

enum client_state { UPGRADING, OPEN, GONE };

struct channel;

/* A channel and where, among its members, the client stands. */
struct membership {
  struct channel *channel;
  size_t place;
};

struct client {
  int fd;
  enum client_state state;
  char *unread; /* the beginning of a head or frame; NULL where there is none, which is mostly */
  size_t unread_size;
  struct backlog unsent;
  struct membership *memberships;
  size_t membership_count, membership_room;
  struct client *next_gone;
};

/* Where all sockets are watched. */
extern int epoll_fd;

/* A client on a socket that was accepted. */
void begin_client(int fd);

/* Does what the events of epoll call for. */
void serve_client(struct client *client, uint32_t events);

/* Writes at once, in one call, and keeps what finds no room. A client for which too much gathers is ended. */
void send_bytes(struct client *client, struct text bytes);

/* Says why with a close frame, and ends. */
void refuse(struct client *client, int close_code);

/* Frees those that ended since the last call: only here may a channel lose a member, so that nobody walks it meanwhile. */
void bury_clients(void);

#endif
