import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';
import { unlessAway } from './unless-away.js';

export const presence = operation({
  name: 'presence',
  method: 'GET',
  scope: 'read',
  summary: 'Whether a user is online, on any node',
  description:
    'A user whose last connection was lost stays online for a moment, as it is likely to come back.',
  input: z.strictObject({ user: fields.user }),
  answer: z.object({ user: z.string(), online: z.boolean() }),
  run: (target, { user }) => unlessAway(async () => ({ user, online: await target.user(user).isOnline() })),
});
