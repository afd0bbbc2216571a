#include "channels.h"

#include <stdlib.h>

enum { BUCKETS = 1 << 16 };

static struct channel *buckets[BUCKETS];

/* FNV-1a */
static uint32_t bucket_of(struct text name) {
  uint32_t hash = 2166136261u;
  for (size_t at = 0; at < name.size; at += 1) hash = (hash ^ (unsigned char)name.at[at]) * 16777619u;
  return (hash ^ hash >> 16) % BUCKETS;
}

static struct channel *find_in(uint32_t bucket, struct text name) {
  struct channel *channel = buckets[bucket];
  while (channel != NULL && !equal((struct text){channel->name, channel->name_size}, name)) channel = channel->next;
  return channel;
}

struct channel *find_channel(struct text name) {
  return find_in(bucket_of(name), name);
}

static struct channel *find_or_open(struct text name) {
  uint32_t bucket = bucket_of(name);
  struct channel *channel = find_in(bucket, name);
  if (channel != NULL) return channel;
  channel = calloc(1, sizeof *channel);
  channel->name = memcpy(malloc(name.size), name.at, name.size);
  channel->name_size = name.size;
  channel->bucket = bucket;
  channel->next = buckets[bucket];
  buckets[bucket] = channel;
  return channel;
}

static void close_channel(struct channel *channel) {
  struct channel **link = &buckets[channel->bucket];
  while (*link != channel) link = &(*link)->next;
  *link = channel->next;
  free(channel->name);
  free(channel->members);
  free(channel);
}

/* `items` with room for one more than `count`. */
static void *grown(void *items, size_t count, size_t *room, size_t item_size) {
  if (count < *room) return items;
  *room = *room == 0 ? 4 : *room * 2;
  return realloc(items, *room * item_size);
}

static int is_member(const struct client *client, const struct channel *channel) {
  for (size_t at = 0; at < client->membership_count; at += 1)
    if (client->memberships[at].channel == channel) return 1;
  return 0;
}

void join(struct client *client, struct text name) {
  struct channel *channel = find_or_open(name);
  if (is_member(client, channel)) return;
  channel->members = grown(channel->members, channel->count, &channel->room, sizeof *channel->members);
  client->memberships =
      grown(client->memberships, client->membership_count, &client->membership_room, sizeof *client->memberships);
  channel->members[channel->count] = (struct member){client, client->membership_count};
  client->memberships[client->membership_count] = (struct membership){channel, channel->count};
  channel->count += 1;
  client->membership_count += 1;
}

/* The last member takes the place of the one that leaves. */
static void leave(struct membership *membership) {
  struct channel *channel = membership->channel;
  channel->count -= 1;
  if (channel->count == 0) return close_channel(channel);
  struct member last = channel->members[channel->count];
  channel->members[membership->place] = last;
  last.client->memberships[last.membership].place = membership->place;
}

void leave_all(struct client *client) {
  for (size_t at = 0; at < client->membership_count; at += 1) leave(&client->memberships[at]);
  free(client->memberships);
  client->memberships = NULL;
  client->membership_count = client->membership_room = 0;
}
