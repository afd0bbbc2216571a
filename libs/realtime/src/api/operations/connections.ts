import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';

const epochMs = z.number().meta({ description: 'Epoch milliseconds.' });

export const connections = operation({
  name: 'connections',
  method: 'GET',
  scope: 'read',
  summary: 'The live connections of a user on the node that answers',
  input: z.strictObject({ user: fields.user }),
  answer: z.object({
    user: z.string(),
    connections: z.array(
      z.object({
        id: z.string(),
        transport: z.string(),
        address: z.string(),
        openedAt: epochMs,
        expiresAt: z
          .number()
          .nullable()
          .meta({ description: 'Epoch milliseconds; null for a session without an end.' }),
        channels: z.array(z.string()),
      }),
    ),
  }),
  run(target, { user }) {
    const live = target.user(user).connections();
    const answer = live.map(({ id, transport, address, openedAt, session, channels }) => {
      return {
        id,
        transport,
        address,
        openedAt,
        expiresAt: session.expiresAt ?? null,
        channels: [...channels],
      };
    });
    return Promise.resolve({ answer: { user, connections: answer } });
  },
});
