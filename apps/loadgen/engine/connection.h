#ifndef CONNECTION_H
#define CONNECTION_H

#include <stddef.h>
#include <stdint.h>

enum connection_state { CONNECTING, UPGRADING, OPEN, CLOSED };

/* One WebSocket client on a raw socket. */
struct connection {
  int fd;
  int index;
  enum connection_state state;
  int step;
  int subscribed;
  int ready;
  uint32_t next_sequence; /* of a single channel: the order is the channel's */
  uint64_t sent_at;
  uint64_t cut_at; /* when it is cut off; 0: not, or not again */
  uint64_t due_at; /* when it comes back, or tries again */
  uint64_t offset; /* of the newest publication of a single channel's history that it knows */
  char *rest; /* an unfinished frame */
  size_t rest_size;
};

struct frame {
  int opcode;
  const char *payload;
  size_t size;
};

enum { OPCODE_TEXT = 1, OPCODE_BINARY = 2, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

typedef void frame_handler(struct connection *connection, const struct frame *frame);

/* Begins a connect to 127.0.0.1, with as little room for what comes as the kernel allows if asked; -1 where no socket can be had. */
int begin_connect(struct connection *connection, int port, int small_window);

/* Writes the upgrade request; `header` is one more line, or NULL. */
int send_upgrade(struct connection *connection, int port, const char *path, const char *header);

/* Masks and writes one frame, or several made by the same caller in one go. 0 where the connection is gone. */
int send_frame(struct connection *connection, int opcode, const char *payload, size_t size);

/* Frames collected in a buffer, for one write. */
void collect_frame(int opcode, const char *payload, size_t size);
int send_collected(struct connection *connection);

/* Reads what there is and gives whole frames away. 1 while the connection lives. */
int receive(struct connection *connection, frame_handler *on_frame);

/* Ends it at once, with a reset: no port stays in TIME_WAIT. */
void drop(struct connection *connection);

#endif
