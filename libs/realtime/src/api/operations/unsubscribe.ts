import { type ErrorBody, userChannel } from '@aerie/protocol';
import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';

// Without it a connected user could no longer be reached.
const OWN_CHANNEL: ErrorBody = {
  code: 'invalid',
  message: "channel: a user's own channel is the server's to give and take",
};

export const unsubscribe = operation({
  name: 'unsubscribe',
  method: 'POST',
  scope: 'admin',
  summary: 'Takes every connection of a user out of a channel, on every node',
  description:
    'Clients are told by `$unsubscribed`. It does not keep them from subscribing again: that is for the rule of the channel.',
  input: z.strictObject({ user: fields.user, channel: fields.channel }),
  answer: z.object({}),
  async run(target, { user, channel }) {
    if (channel === userChannel(user)) return { error: OWN_CHANNEL };
    const outcome = await target.user(user).unsubscribe(channel);
    return outcome.ok ? { answer: {} } : { error: outcome.error };
  },
});
