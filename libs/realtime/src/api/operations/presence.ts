import { LIMITS } from '@aerie/protocol';
import { z } from 'zod';
import type { ApiTarget } from '../api-target.js';
import { fields } from '../fields.js';
import { type OperationResult, operation } from '../operation.js';
import { unlessAway } from './unless-away.js';

const member = z.object({
  user: z.string(),
  connections: z.int().meta({ description: 'Its subscriptions on all nodes; 0 while it may come back.' }),
});

const answer = z.object({
  user: z.string().optional(),
  online: z.boolean().optional(),
  channel: z.string().optional(),
  version: z.int().optional().meta({ description: 'Grows with each user that comes or goes.' }),
  members: z.array(member).optional(),
  more: z.boolean().optional().meta({ description: 'Whether there are users behind these.' }),
});

export const presence = operation({
  name: 'presence',
  method: 'GET',
  scope: 'read',
  summary: 'Whether a user is online, or who is in a channel, on any node',
  description:
    'With `user`: `{user, online}`. With `channel`: a page of its users, if the channel has presence. ' +
    'A user whose last connection was lost stays for a moment, as it is likely to come back.',
  input: z
    .strictObject({
      user: fields.user.optional(),
      channel: fields.channel.optional(),
      after: fields.user.optional().meta({ description: 'Begin behind this user of the channel.' }),
      limit: z.coerce.number().int().min(1).max(LIMITS.presencePage).optional(),
    })
    .refine(({ user, channel }) => (user === undefined) !== (channel === undefined), {
      path: ['user'],
      message: 'either user or channel',
    }),
  answer,
  run: (target, { user, channel, after, limit }) => {
    if (user !== undefined)
      return unlessAway(async () => ({ user, online: await target.user(user).isOnline() }));
    return membersOf(target, channel ?? '', { after, limit });
  },
});

interface Page {
  readonly after: string | undefined;
  readonly limit: number | undefined;
}

async function membersOf(
  target: ApiTarget,
  channel: string,
  page: Page,
): Promise<OperationResult<z.input<typeof answer>>> {
  const outcome = await target.channel(channel).presence(page);
  if (!outcome.ok) return { error: outcome.error };
  const { version, members, more } = outcome;
  return { answer: { channel, version, members: [...members], more } };
}
