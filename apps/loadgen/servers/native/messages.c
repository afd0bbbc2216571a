#include "messages.h"

#include "channels.h"
#include "frame.h"
#include "json.h"

static void subscribe(struct client *client, struct text name) {
  join(client, name);
  const struct text parts[] = {TEXT("{\"event\":\"subscribed\",\"data\":{\"channel\":"), name, TEXT("}}")};
  send_bytes(client, frame_of(OPCODE_TEXT, parts, 3));
}

/* Encoded once; one write for each member. */
static void publish(struct text name, struct text text) {
  const struct channel *channel = find_channel(name);
  if (channel == NULL) return;
  const struct text parts[] = {TEXT("{\"event\":\"say\",\"channel\":"), name, TEXT(",\"data\":{\"text\":"), text, TEXT("}}")};
  struct text frame = frame_of(OPCODE_TEXT, parts, 5);
  for (size_t at = 0; at < channel->count; at += 1) send_bytes(channel->members[at].client, frame);
}

static void echo(struct client *client, struct text data) {
  const struct text parts[] = {TEXT("{\"event\":\"echo\",\"data\":"), data, TEXT("}")};
  send_bytes(client, frame_of(OPCODE_TEXT, parts, 3));
}

void take_message(struct client *client, struct text message) {
  struct text event = member(message, "event"), data = member(message, "data");
  struct text name = member(data, "channel"), text = member(data, "text");
  if (equal(event, TEXT("\"subscribe\"")) && name.size > 0) subscribe(client, name);
  else if (equal(event, TEXT("\"publish\"")) && name.size > 0 && text.size > 0) publish(name, text);
  else if (equal(event, TEXT("\"echo\"")) && data.size > 0) echo(client, data);
  else refuse(client, UNSUPPORTED_DATA);
}
