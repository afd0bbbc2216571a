import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';
import { publicationError } from './publication-error.js';

export const broadcast = operation({
  name: 'broadcast',
  method: 'POST',
  scope: 'publish',
  summary: 'Sends an event to every connection, on every node',
  input: z.strictObject({ event: fields.event, data: fields.data, idempotencyKey: fields.idempotencyKey }),
  answer: z.object({}),
  async run(target, { event, data, idempotencyKey }) {
    const outcome = await target.broadcast(event, data, {
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    });
    return outcome.ok ? { answer: {} } : publicationError(outcome);
  },
});
