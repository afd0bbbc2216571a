#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(const char *what, const char *value) {
  fprintf(stderr, "loadgen: %s: %s\n", what, value);
  exit(2);
}

static enum mode mode_of(const char *name) {
  if (strcmp(name, "fanout") == 0) return MODE_FANOUT;
  if (strcmp(name, "echo") == 0) return MODE_ECHO;
  if (strcmp(name, "connect") == 0) return MODE_CONNECT;
  if (strcmp(name, "idle") == 0) return MODE_IDLE;
  if (strcmp(name, "return") == 0) return MODE_RETURN;
  usage("unknown mode", name);
  return MODE_IDLE;
}

static void add_ports(struct options *options, char *list) {
  for (char *port = strtok(list, ","); port != NULL; port = strtok(NULL, ",")) {
    if (options->port_count == MAX_PORTS) usage("too many ports", port);
    options->ports[options->port_count++] = atoi(port);
  }
}

static void add_step(struct options *options, int is_send, const char *text) {
  if (options->step_count == MAX_STEPS) usage("too many steps", text);
  options->steps[options->step_count++] = (struct step){is_send, text};
}

/* "2=3": each frame "2" is answered with "3". */
static void add_answer(struct options *options, char *pair) {
  char *reply = strchr(pair, '=');
  if (reply == NULL || options->answer_count == MAX_ANSWERS) usage("not an answer", pair);
  *reply = '\0';
  options->answers[options->answer_count++] = (struct answer){pair, reply + 1};
}

static void set_option(struct options *options, const char *name, char *value) {
  if (strcmp(name, "--ports") == 0) add_ports(options, value);
  else if (strcmp(name, "--path") == 0) options->path = value;
  else if (strcmp(name, "--header") == 0) options->header = value;
  else if (strcmp(name, "--tokens") == 0) options->token_file = value;
  else if (strcmp(name, "--connections") == 0) options->connections = atoi(value);
  else if (strcmp(name, "--stuck") == 0) options->stuck = atoi(value);
  else if (strcmp(name, "--opening") == 0) options->opening = atoi(value);
  else if (strcmp(name, "--send") == 0) add_step(options, 1, value);
  else if (strcmp(name, "--expect") == 0) add_step(options, 0, value);
  else if (strcmp(name, "--answer") == 0) add_answer(options, value);
  else if (strcmp(name, "--channels") == 0) options->channels = atoi(value);
  else if (strcmp(name, "--channels-each") == 0) options->channels_each = atoi(value);
  else if (strcmp(name, "--subscribe") == 0) options->subscribe = value;
  else if (strcmp(name, "--subscribed") == 0) options->subscribed = value;
  else if (strcmp(name, "--recover") == 0) options->recover = value;
  else if (strcmp(name, "--recovered") == 0) options->recovered = value;
  else if (strcmp(name, "--cut") == 0) options->cut_seconds = atof(value);
  else if (strcmp(name, "--away") == 0) options->away_seconds = atof(value);
  else if (strcmp(name, "--spread") == 0) options->spread_seconds = atof(value);
  else if (strcmp(name, "--message") == 0) options->message = value;
  else if (strcmp(name, "--publishers") == 0) options->publishers = atoi(value);
  else if (strcmp(name, "--window") == 0) options->window = atoi(value);
  else if (strcmp(name, "--rate") == 0) options->rate = atof(value);
  else if (strcmp(name, "--probe-ms") == 0) options->probe_ms = atoi(value);
  else if (strcmp(name, "--warmup") == 0) options->warmup_seconds = atof(value);
  else if (strcmp(name, "--seconds") == 0) options->seconds = atof(value);
  else if (strcmp(name, "--patience") == 0) options->patience_seconds = atof(value);
  else usage("unknown option", name);
}

void read_options(struct options *options, int count, char **arguments) {
  *options = (struct options){
      .path = "/",
      .connections = 1,
      .opening = 64,
      .channels = 1,
      .channels_each = 1,
      .publishers = 1,
      .window = 1,
      .warmup_seconds = 1,
      .seconds = 3,
      .patience_seconds = 20,
  };
  if (count < 2) usage("no mode", "fanout, echo, connect, idle or return");
  options->mode = mode_of(arguments[1]);
  for (int at = 2; at < count; at += 2) {
    if (at + 1 == count) usage("no value", arguments[at]);
    set_option(options, arguments[at], arguments[at + 1]);
  }
  if (options->port_count == 0) usage("missing", "--ports");
  if (options->channels_each > options->channels || options->channels % options->channels_each != 0)
    usage("--channels must be a multiple of", "--channels-each");
  if (options->mode == MODE_RETURN && (options->recover == NULL || options->recovered == NULL || options->channels != 1))
    usage("return", "one channel, --recover and --recovered");
}
