import { z } from 'zod';
import { operation } from '../operation.js';

const count = z.int().min(0);

export const info = operation({
  name: 'info',
  method: 'GET',
  scope: 'read',
  summary: 'The node that answers, its backplane, and the nodes it knows',
  input: z.strictObject({}),
  answer: z.object({
    node: z.string(),
    connections: count,
    users: count,
    channels: count,
    backplane: z.object({ name: z.string(), shared: z.boolean(), up: z.boolean() }),
    nodes: z.array(
      z.object({
        node: z.string(),
        connections: count,
        users: count,
        startedAt: z.number().meta({ description: 'Epoch milliseconds.' }),
        draining: z.boolean(),
      }),
    ),
  }),
  async run(target) {
    const { node, connections, users, channels, backplane, nodes } = await target.info();
    return { answer: { node, connections, users, channels, backplane, nodes: [...nodes] } };
  },
});
