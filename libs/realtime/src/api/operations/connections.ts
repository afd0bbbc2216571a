import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';
import { unlessAway } from './unless-away.js';

const epochMs = z.number().meta({ description: 'Epoch milliseconds.' });

export const connections = operation({
  name: 'connections',
  method: 'GET',
  scope: 'read',
  summary: 'The live connections of a user, on every node',
  input: z.strictObject({ user: fields.user }),
  answer: z.object({
    user: z.string(),
    connections: z.array(
      z.object({
        id: z.string(),
        node: z.string(),
        transport: z.string(),
        address: z.string(),
        openedAt: epochMs,
        expiresAt: z
          .number()
          .nullable()
          .meta({ description: 'Epoch milliseconds; null for a session without an end.' }),
        channels: z
          .array(z.string())
          .optional()
          .meta({ description: 'Of connections to the node that answers only.' }),
      }),
    ),
  }),
  run: (target, { user }) =>
    unlessAway(async () => {
      const live = await target.user(user).connections();
      const answer = live.map(({ id, node, transport, address, openedAt, expiresAt, channels }) => {
        const shown = channels !== undefined && { channels: [...channels] };
        return { id, node, transport, address, openedAt, expiresAt, ...shown };
      });
      return { user, connections: answer };
    }),
});
