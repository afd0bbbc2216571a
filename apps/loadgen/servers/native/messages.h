#ifndef MESSAGES_H
#define MESSAGES_H

#include "client.h"
#include "text.h"

/* Does what a message asks for: subscribe, publish or echo. Whoever says anything else is refused. */
void take_message(struct client *client, struct text message);

#endif
