#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>

enum { MAX_STEPS = 8, MAX_PORTS = 8, MAX_ANSWERS = 4 };

enum mode { MODE_FANOUT, MODE_ECHO, MODE_CONNECT, MODE_IDLE, MODE_RETURN };

/* A server's frame and what is sent back each time it comes (Socket.IO's pings are ordinary frames). */
struct answer {
  const char *frame;
  const char *reply;
};

/* Sent, or waited for as a part of a frame, once after the upgrade. */
struct step {
  int is_send;
  const char *text;
};

struct options {
  enum mode mode;
  int ports[MAX_PORTS];
  int port_count;
  const char *path;
  const char *header; /* one more request header; {token} is the connection's line of token_file */
  const char *token_file;
  int connections;
  int stuck; /* how many of them stop reading once they are subscribed */
  int opening; /* handshakes under way at a time */
  struct step steps[MAX_STEPS];
  int step_count;
  struct answer answers[MAX_ANSWERS];
  int answer_count;
  int channels;
  int channels_each; /* subscriptions of each connection */
  const char *subscribe; /* {c} is the channel's number */
  const char *subscribed; /* a part of the frame that acknowledges one subscription */
  const char *recover; /* instead of subscribe by who was cut off: {epoch} and {offset} are where it stood */
  const char *recovered; /* a part of the frame that answers it */
  double cut_seconds; /* from the first one that is cut off to the last; 0: all at once */
  double away_seconds; /* from the cut until it comes back; the first one, where they are spread */
  double spread_seconds; /* from the first one that comes back to the last, beyond what cut_seconds keeps apart */
  const char *message; /* published or echoed: {c} channel, {t} the mark */
  int publishers; /* the first connections publish in turn; with several ports each its own node's */
  int window; /* publications under way at a time */
  double rate; /* publications a second instead of a window; 0: none */
  int probe_ms; /* a ping on an idle connection this often; 0: none */
  double warmup_seconds;
  double seconds;
  double patience_seconds; /* how long it waits at the end for what is missing */
};

/* Ends the process with a message where the arguments make no plan. */
void read_options(struct options *options, int count, char **arguments);

#endif
