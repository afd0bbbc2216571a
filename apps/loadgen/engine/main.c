/* The load generator: WebSocket clients on raw sockets, in one thread that never sleeps while it measures, so that no
 * server pays for waking it. What it measured goes to stdout as one JSON object, progress to stderr. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "histogram.h"
#include "options.h"

enum { EVENTS = 512, RING = 1 << 16, MARK_DIGITS = 24, RETRY_MS = 250 };
static const char MARK[] = "@T=";

static struct options options;
static char filled[1 << 18];
static struct connection *connections;
static struct connection probe = {.fd = -1};
static char **tokens;
static int epoll_fd;

/* Opening */
static int begun, ready, failed;

/* Publications: how many receivers still miss each of those under way. */
static uint32_t missing[RING];
static uint32_t next_publication, under_way;
static uint64_t completed;
static uint32_t receivers_each;

/* What the measured span saw. */
static struct histogram latencies, arrivals, probes;
static uint64_t deliveries, out_of_order, foreign, closed_by_server;
static uint64_t busy_ns, span_began, span_ended, probe_sent_at, probe_due_at;
static int measuring, publishing;

/* Who was cut off and came back. */
static char epoch[64];
static int returning, back, retries, not_recovered;

static void fail(const char *what) {
  fprintf(stderr, "loadgen: %s\n", what);
  exit(1);
}

static void watch(struct connection *connection, uint32_t events, int operation) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(epoll_fd, operation, connection->fd, &event) < 0) fail("epoll_ctl");
}

static int port_of(const struct connection *connection) {
  return options.ports[connection->index % options.port_count];
}

static void read_tokens(void) {
  tokens = calloc((size_t)options.connections + 1, sizeof *tokens);
  if (options.token_file == NULL) return;
  FILE *file = fopen(options.token_file, "r");
  if (file == NULL) fail("the token file can't be read");
  char *line = NULL;
  size_t room = 0;
  int count = 0;
  while (count <= options.connections && getline(&line, &room, file) > 0) {
    line[strcspn(line, "\r\n")] = '\0';
    tokens[count++] = strdup(line);
  }
  free(line);
  fclose(file);
  if (count == 0) fail("the token file is empty");
  for (int index = count; index <= options.connections; index += 1) tokens[index] = tokens[index % count];
}

/* Copies `text`, with the channel's number for {c}, the token for {token}, the mark for {t} and the position for {epoch} and
 * {offset}. */
static size_t fill(char *into, size_t room, const char *text, const struct connection *connection, int channel, uint32_t sequence) {
  size_t size = 0;
  while (*text != '\0' && size + 64 < room) {
    if (strncmp(text, "{c}", 3) == 0) size += (size_t)snprintf(into + size, room - size, "%d", channel), text += 3;
    else if (strncmp(text, "{t}", 3) == 0)
      size += (size_t)snprintf(into + size, room - size, "%s%016llx%08x", MARK, (unsigned long long)now_ns(), sequence), text += 3;
    else if (strncmp(text, "{epoch}", 7) == 0) size += (size_t)snprintf(into + size, room - size, "%s", epoch), text += 7;
    else if (strncmp(text, "{offset}", 8) == 0)
      size += (size_t)snprintf(into + size, room - size, "%llu", (unsigned long long)connection->offset), text += 8;
    else if (strncmp(text, "{token}", 7) == 0) {
      const char *token = tokens[connection->index];
      size += (size_t)snprintf(into + size, room - size, "%s", token == NULL ? "" : token), text += 7;
      if (size >= room) fail("a token is too long");
    } else into[size++] = *text++;
  }
  if (*text != '\0') fail("a message is too long");
  into[size] = '\0';
  return size;
}

static void send_text(struct connection *connection, const char *text, int channel, uint32_t sequence) {
  size_t size = fill(filled, sizeof filled, text, connection, channel, sequence);
  if (!send_frame(connection, OPCODE_TEXT, filled, size)) connection->state = CLOSED;
}

/* Opening: connect, upgrade, steps, subscriptions. */

/* The last ones stop reading once they are subscribed. */
static int is_stuck(const struct connection *connection) {
  return connection != &probe && connection->index >= options.connections - options.stuck;
}

static void open_next(void) {
  struct connection *connection = &connections[begun];
  *connection = (struct connection){.fd = -1, .index = begun};
  begun += 1;
  if (begin_connect(connection, port_of(connection), is_stuck(connection)) < 0) fail("no more sockets");
  watch(connection, EPOLLOUT, EPOLL_CTL_ADD);
}

static void upgrade(struct connection *connection) {
  char header[4096];
  if (options.header != NULL) fill(header, sizeof header, options.header, connection, 0, 0);
  if (!send_upgrade(connection, port_of(connection), options.path, options.header == NULL ? NULL : header))
    connection->state = CLOSED;
  watch(connection, EPOLLIN, EPOLL_CTL_MOD);
}

static int first_channel(const struct connection *connection) {
  int groups = options.channels / options.channels_each;
  return connection->index % groups * options.channels_each;
}

static void become_ready(struct connection *connection) {
  connection->ready = 1;
  ready += 1;
  if (is_stuck(connection)) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
}

static void subscribe(struct connection *connection) {
  if (returning) return send_text(connection, options.recover, 0, 0);
  if (options.subscribe == NULL || connection == &probe) return become_ready(connection);
  for (int channel = 0; channel < options.channels_each; channel += 1) {
    size_t size = fill(filled, sizeof filled, options.subscribe, connection, first_channel(connection) + channel, 0);
    collect_frame(OPCODE_TEXT, filled, size);
  }
  if (!send_collected(connection)) connection->state = CLOSED;
}

static void advance(struct connection *connection) {
  while (connection->step < options.step_count && options.steps[connection->step].is_send)
    send_text(connection, options.steps[connection->step++].text, 0, 0);
  if (connection->step == options.step_count) {
    connection->step += 1;
    subscribe(connection);
  }
}

static int contains(const struct frame *frame, const char *part) {
  return memmem(frame->payload, frame->size, part, strlen(part)) != NULL;
}

static void keep_offset(struct connection *connection, const struct frame *frame) {
  static const char KEY[] = "\"offset\":";
  const char *at = frame->payload, *end = frame->payload + frame->size;
  while ((at = memmem(at, (size_t)(end - at), KEY, sizeof KEY - 1)) != NULL) {
    uint64_t offset = 0;
    for (at += sizeof KEY - 1; at < end && *at >= '0' && *at <= '9'; at += 1) offset = offset * 10 + (uint64_t)(*at - '0');
    if (offset > connection->offset) connection->offset = offset;
  }
}

static void keep_position(struct connection *connection, const struct frame *frame) {
  static const char KEY[] = "\"epoch\":\"";
  const char *at = memmem(frame->payload, frame->size, KEY, sizeof KEY - 1), *end = frame->payload + frame->size;
  if (at == NULL) fail("a subscription has no position");
  size_t size = 0;
  for (at += sizeof KEY - 1; at < end && *at != '"' && size + 1 < sizeof epoch; at += 1) epoch[size++] = *at;
  epoch[size] = '\0';
  keep_offset(connection, frame);
}

static void come_back(struct connection *connection, const struct frame *frame);

/* A frame may come with the 101, before anything was sent. */
static void prepare(struct connection *connection, const struct frame *frame) {
  advance(connection);
  if (connection->step < options.step_count) {
    if (!contains(frame, options.steps[connection->step].text)) return;
    connection->step += 1;
    return advance(connection);
  }
  if (returning) return come_back(connection, frame);
  if (options.subscribed == NULL || !contains(frame, options.subscribed)) return;
  if (options.mode == MODE_RETURN) keep_position(connection, frame);
  connection->subscribed += 1;
  if (connection->subscribed == options.channels_each) become_ready(connection);
}

/* Messages */

static uint64_t hex(const char *at, int digits) {
  uint64_t value = 0;
  for (int digit = 0; digit < digits; digit += 1) {
    unsigned char c = (unsigned char)at[digit];
    value = (value << 4) | (c <= '9' ? c - 48u : (c | 32u) - 87u);
  }
  return value;
}

/* Where the mark stood last time it mostly stands again. */
static const char *find_mark(const struct frame *frame) {
  static size_t usual;
  if (usual + 3 + MARK_DIGITS <= frame->size && memcmp(frame->payload + usual, MARK, 3) == 0) return frame->payload + usual + 3;
  const char *mark = memmem(frame->payload, frame->size, MARK, 3);
  if (mark == NULL || mark + 3 + MARK_DIGITS > frame->payload + frame->size) return NULL;
  usual = (size_t)(mark - frame->payload);
  return mark + 3;
}

static struct connection *publisher_of(uint32_t sequence) {
  return &connections[(int)(sequence % (uint32_t)options.publishers)];
}

/* Scattered, so that channels with the same subscribers are not published to one after the other. */
static int channel_of(uint32_t sequence) {
  return (int)((sequence * 2654435761u >> 8) % (uint32_t)options.channels);
}

/* What is due at one moment goes out in one write, as it would from a backend under load. */
static void publish(uint32_t count) {
  while (count > 0) {
    uint32_t sequence = next_publication++;
    struct connection *publisher = publisher_of(sequence);
    missing[sequence % RING] = receivers_each;
    under_way += 1;
    count -= 1;
    size_t size = fill(filled, sizeof filled, options.message, publisher, channel_of(sequence), sequence);
    collect_frame(OPCODE_TEXT, filled, size);
    if (count > 0 && publisher_of(sequence + 1) == publisher) continue;
    if (!send_collected(publisher)) publisher->state = CLOSED;
  }
}

static void delivered(struct connection *connection, uint64_t sent_at, uint32_t sequence, uint64_t now) {
  if (options.channels == 1 && options.publishers == 1) {
    if (sequence != connection->next_sequence) out_of_order += 1;
    connection->next_sequence = sequence + 1;
  }
  uint32_t age = next_publication - sequence;
  if (age == 0 || age > RING || missing[sequence % RING] == 0) {
    foreign += 1;
    return;
  }
  if (measuring && returning) record(&arrivals, now - sent_at);
  else if (measuring) {
    deliveries += 1;
    record(&latencies, now - sent_at);
  }
  if (--missing[sequence % RING] > 0) return;
  under_way -= 1;
  if (measuring) completed += 1;
}

static void echo_one(struct connection *connection) {
  send_text(connection, options.message, first_channel(connection), connection->next_sequence++);
}

static void echoed(struct connection *connection, uint64_t sent_at, uint64_t now) {
  if (measuring) {
    deliveries += 1;
    record(&latencies, now - sent_at);
  }
  if (publishing) echo_one(connection);
  else under_way -= 1;
}

static uint64_t batch_at;

static int answered(struct connection *connection, const struct frame *frame) {
  for (int at = 0; at < options.answer_count; at += 1) {
    const struct answer *answer = &options.answers[at];
    if (frame->size != strlen(answer->frame) || memcmp(frame->payload, answer->frame, frame->size) != 0) continue;
    send_frame(connection, OPCODE_TEXT, answer->reply, strlen(answer->reply));
    return 1;
  }
  return 0;
}

/* A frame has one publication, or those of a recovery. */
static void take_publications(struct connection *connection, const struct frame *frame) {
  const char *at = frame->payload, *end = frame->payload + frame->size;
  while ((at = memmem(at, (size_t)(end - at), MARK, 3)) != NULL && at + 3 + MARK_DIGITS <= end) {
    delivered(connection, hex(at + 3, 16), (uint32_t)hex(at + 19, 8), batch_at);
    at += 3 + MARK_DIGITS;
  }
  keep_offset(connection, frame);
}

static void take(struct connection *connection, const struct frame *frame) {
  if (frame->opcode == OPCODE_CLOSE) connection->state = CLOSED;
  else if (frame->opcode == OPCODE_PING) send_frame(connection, OPCODE_PONG, frame->payload, frame->size);
  else if (frame->opcode == OPCODE_PONG && connection == &probe) {
    if (measuring && probe_sent_at > 0) record(&probes, batch_at - probe_sent_at);
    probe_sent_at = 0;
  } else if (frame->opcode == OPCODE_TEXT || frame->opcode == OPCODE_BINARY) {
    if (options.answer_count > 0 && answered(connection, frame)) return;
    if (options.mode == MODE_RETURN && connection->ready) return take_publications(connection, frame);
    const char *mark = connection->ready ? find_mark(frame) : NULL;
    if (mark == NULL) {
      if (!connection->ready) prepare(connection, frame);
    } else if (options.mode == MODE_ECHO) echoed(connection, hex(mark, 16), batch_at);
    else if (connection != &probe) delivered(connection, hex(mark, 16), (uint32_t)hex(mark + 16, 8), batch_at);
  }
}

/* The answer brings what was missed, or says that it can't. */
static void come_back(struct connection *connection, const struct frame *frame) {
  if (!contains(frame, options.subscribed)) return;
  if (!contains(frame, options.recovered)) not_recovered += 1;
  take_publications(connection, frame);
  connection->ready = 1;
  back += 1;
  record(&latencies, batch_at - connection->sent_at);
}

static void try_again(struct connection *connection) {
  retries += 1;
  drop(connection);
  connection->due_at = now_ns() + RETRY_MS * 1000000u;
}

static void lost(struct connection *connection) {
  if (returning && !connection->ready) return try_again(connection);
  if (!connection->ready) failed += 1;
  else closed_by_server += 1;
  drop(connection);
}

static void serve(struct connection *connection, uint32_t events) {
  if (connection->fd < 0) return;
  if (connection->state == CONNECTING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return lost(connection);
    return upgrade(connection);
  }
  int was_open = connection->state == OPEN;
  if (!receive(connection, take) || connection->state == CLOSED) return lost(connection);
  if (!was_open && connection->state == OPEN) advance(connection);
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) lost(connection);
}

/* One look at the sockets; time spent on anything but looking in vain is the generator's own work. */
static int turn(int timeout_ms) {
  static struct epoll_event events[EVENTS];
  uint64_t looked = now_ns();
  int count = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
  if (count < 0 && errno != EINTR) fail("epoll_wait");
  if (count <= 0) return 0;
  batch_at = timeout_ms == 0 ? looked : now_ns();
  for (int at = 0; at < count; at += 1) {
    if ((at & 15) == 15) batch_at = now_ns();
    serve(events[at].data.ptr, events[at].events);
  }
  if (measuring) busy_ns += now_ns() - looked;
  return count;
}

static void progress(double share) {
  static uint64_t told_at;
  uint64_t now = now_ns();
  if (now - told_at < 200000000u) return;
  told_at = now;
  fprintf(stderr, "progress %.3f\n", share);
}

static void open_all(void) {
  uint64_t began = now_ns();
  while (ready + failed < options.connections) {
    while (begun < options.connections && begun - ready - failed < options.opening) open_next();
    turn(10);
    progress(0.3 * ready / options.connections);
    if (now_ns() - began > 180000000000u) fail("the connections could not be opened within 180 s");
  }
  if (failed > 0) fail("some connections could not be opened");
}

static void open_probe(void) {
  if (options.probe_ms == 0) return;
  probe = (struct connection){.fd = -1, .index = options.connections};
  if (begin_connect(&probe, options.ports[0], 0) < 0) fail("no more sockets");
  watch(&probe, EPOLLOUT, EPOLL_CTL_ADD);
  while (!probe.ready && failed == 0) turn(10);
  if (failed > 0) fail("the probe could not be opened");
}

static void ping_probe(uint64_t now) {
  if (options.probe_ms == 0 || probe_sent_at > 0 || now < probe_due_at) return;
  probe_sent_at = now;
  probe_due_at = now + (uint64_t)options.probe_ms * 1000000u;
  send_frame(&probe, OPCODE_PING, "", 0);
}

static void publish_what_is_due(uint64_t now, uint64_t began) {
  if (options.rate == 0) {
    if (under_way < (uint32_t)options.window) publish((uint32_t)options.window - under_way);
    return;
  }
  double due = (double)(now - began) / 1e9 * options.rate;
  if (due > next_publication && under_way < RING / 2) publish((uint32_t)due - next_publication);
}

static void measure(uint64_t now) {
  measuring = 1;
  span_began = now;
}

static void run_load(void) {
  uint64_t began = now_ns();
  uint64_t warm = began + (uint64_t)(options.warmup_seconds * 1e9), end = warm + (uint64_t)(options.seconds * 1e9);
  publishing = 1;
  if (options.mode == MODE_ECHO)
    for (int index = 0; index < options.connections; index += 1) under_way += 1, echo_one(&connections[index]);
  for (uint64_t now = began; now < end; now = now_ns()) {
    if (!measuring && now >= warm) measure(now);
    if (options.mode == MODE_FANOUT) publish_what_is_due(now, began);
    ping_probe(now);
    turn(0);
    progress(0.3 + 0.7 * (double)(now - began) / (double)(end - began));
  }
  measuring = 0;
  span_ended = now_ns();
  publishing = 0;
  uint64_t given_up = span_ended + (uint64_t)(options.patience_seconds * 1e9);
  while (under_way > 0 && now_ns() < given_up && closed_by_server <= (uint64_t)options.stuck) turn(1);
}

/* Connections a second: each is dropped once it is upgraded and greeted, and replaced by the next. */
static void run_connects(void) {
  uint64_t began = now_ns();
  uint64_t warm = began + (uint64_t)(options.warmup_seconds * 1e9), end = warm + (uint64_t)(options.seconds * 1e9);
  for (uint64_t now = began; now < end; now = now_ns()) {
    if (!measuring && now >= warm) measure(now);
    for (int index = 0; index < options.connections; index += 1) {
      struct connection *connection = &connections[index];
      if (connection->fd >= 0 && !connection->ready) continue;
      if (connection->fd >= 0) {
        if (measuring) deliveries += 1, record(&latencies, now - connection->sent_at);
        drop(connection);
      }
      *connection = (struct connection){.fd = -1, .index = index, .sent_at = now};
      if (begin_connect(connection, port_of(connection), 0) < 0) fail("no more sockets");
      watch(connection, EPOLLOUT, EPOLL_CTL_ADD);
    }
    turn(0);
    if (failed > 0) fail("a connection was refused");
    progress((double)(now - began) / (double)(end - began));
  }
  measuring = 0;
  span_ended = now_ns();
}

/* All but the first, which publishes, are cut off once, and come back. */
static void plan_cuts(uint64_t now) {
  for (int index = 1; index < options.connections; index += 1) {
    struct connection *connection = &connections[index];
    double place = (double)(index - 1) / options.connections;
    connection->cut_at = now + (uint64_t)(options.cut_seconds * 1e9 * place);
    connection->due_at = connection->cut_at + (uint64_t)((options.away_seconds + options.spread_seconds * place) * 1e9);
  }
  returning = 1;
}

static void cut_and_return(uint64_t now) {
  for (int index = 1; index < options.connections; index += 1) {
    struct connection *connection = &connections[index];
    if (connection->cut_at > 0 && now >= connection->cut_at) {
      drop(connection);
      connection->ready = 0;
      connection->cut_at = 0;
      connection->sent_at = connection->due_at;
    }
    if (connection->fd >= 0 || now < connection->due_at) continue;
    connection->step = 0;
    connection->state = CONNECTING;
    if (begin_connect(connection, port_of(connection), 0) < 0) fail("no more sockets");
    watch(connection, EPOLLOUT, EPOLL_CTL_ADD);
  }
}

static void publish_and_serve(uint64_t until, uint64_t began) {
  for (uint64_t now = now_ns(); now < until; now = now_ns()) {
    publish_what_is_due(now, began);
    turn(0);
  }
}

/* How long each one takes until it stands where it would have stood, and how long publications take meanwhile. Every one of them
 * must have reached everyone, once. */
static void run_return(void) {
  uint64_t began = now_ns();
  publish_and_serve(began + (uint64_t)(options.warmup_seconds * 1e9), began);
  plan_cuts(now_ns());
  measure(connections[1].due_at);
  double planned = options.cut_seconds + options.away_seconds + options.spread_seconds;
  uint64_t given_up = now_ns() + (uint64_t)((planned + options.patience_seconds) * 1e9);
  for (uint64_t now = now_ns(); back < options.connections - 1 && now < given_up; now = now_ns()) {
    cut_and_return(now);
    publish_what_is_due(now, began);
    turn(0);
    progress((double)back / options.connections);
  }
  measuring = 0;
  span_ended = now_ns();
  while (under_way > 0 && now_ns() < given_up) turn(1);
  deliveries = (uint64_t)back;
  if (back < options.connections - 1) fail("not all came back");
  if (not_recovered > 0) fail("some were not recovered");
}

/* Holds what is open until its standard input ends, reading what comes. */
static void hold(void) {
  struct connection input = {.fd = 0};
  watch(&input, EPOLLIN, EPOLL_CTL_ADD);
  printf("{\"open\": %d}\n", ready);
  fflush(stdout);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll_fd, events, EVENTS, 1000);
    for (int at = 0; at < count; at += 1) {
      if (events[at].data.ptr == &input) return;
      serve(events[at].data.ptr, events[at].events);
    }
    if (closed_by_server > 0) fail("the server closed a connection");
  }
}

static void print_result(void) {
  double seconds = (double)(span_ended - span_began) / 1e9;
  printf("{\"seconds\": %.4f, \"deliveries\": %llu, \"perSecond\": %.1f, \"publications\": %llu, ", seconds,
         (unsigned long long)deliveries, (double)deliveries / seconds, (unsigned long long)completed);
  printf("\"lost\": %u, \"outOfOrder\": %llu, \"foreign\": %llu, \"closed\": %llu, \"retries\": %d, \"busy\": %.4f, ", under_way,
         (unsigned long long)out_of_order, (unsigned long long)foreign, (unsigned long long)closed_by_server, retries,
         (double)busy_ns / 1e9 / seconds);
  printf("\"p50Us\": %.1f, \"p99Us\": %.1f, \"maxUs\": %.1f, ", (double)percentile(&latencies, 0.5) / 1e3,
         (double)percentile(&latencies, 0.99) / 1e3, (double)latencies.largest / 1e3);
  printf("\"arrivalP50Us\": %.1f, \"arrivalP99Us\": %.1f, ", (double)percentile(&arrivals, 0.5) / 1e3,
         (double)percentile(&arrivals, 0.99) / 1e3);
  printf("\"probeP50Us\": %.1f, \"probeP99Us\": %.1f, \"probeMaxUs\": %.1f}\n", (double)percentile(&probes, 0.5) / 1e3,
         (double)percentile(&probes, 0.99) / 1e3, (double)probes.largest / 1e3);
}

int main(int count, char **arguments) {
  signal(SIGPIPE, SIG_IGN);
  read_options(&options, count, arguments);
  read_tokens();
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  connections = calloc((size_t)options.connections, sizeof *connections);
  if (options.mode == MODE_CONNECT) {
    for (int index = 0; index < options.connections; index += 1) connections[index].fd = -1;
    run_connects();
    print_result();
    return 0;
  }
  open_all();
  if (options.mode == MODE_IDLE) {
    hold();
    return 0;
  }
  open_probe();
  receivers_each = (uint32_t)((long)(options.connections - options.stuck) * options.channels_each / options.channels);
  if (options.mode == MODE_RETURN) run_return();
  else run_load();
  print_result();
  return 0;
}
