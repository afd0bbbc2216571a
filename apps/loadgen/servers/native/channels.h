#ifndef CHANNELS_H
#define CHANNELS_H

#include <stdint.h>

#include "client.h"
#include "text.h"

/* A member and where, among its memberships, this channel stands. */
struct member {
  struct client *client;
  size_t membership;
};

struct channel {
  struct channel *next; /* in its bucket */
  char *name;
  size_t name_size;
  uint32_t bucket;
  struct member *members;
  size_t count, room;
};

/* NULL where it has no members. */
struct channel *find_channel(struct text name);

/* Once is enough: the second time changes nothing. */
void join(struct client *client, struct text name);

void leave_all(struct client *client);

#endif
