import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';

export const disconnect = operation({
  name: 'disconnect',
  method: 'POST',
  scope: 'admin',
  summary: 'Closes every connection of a user, on every node',
  description:
    'With 4403, after which clients stay away; with 4401 where `reconnect` is true, after which they fetch a new token and come back.',
  input: z.strictObject({ user: fields.user, reconnect: z.boolean().optional().meta({ default: false }) }),
  answer: z.object({}),
  async run(target, { user, reconnect = false }) {
    const outcome = await target.user(user).disconnect({ reconnect });
    return outcome.ok ? { answer: {} } : { error: outcome.error };
  },
});
