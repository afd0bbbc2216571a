import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';

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
    const outcome = await target.user(user).unsubscribe(channel);
    return outcome.ok ? { answer: {} } : { error: outcome.error };
  },
});
