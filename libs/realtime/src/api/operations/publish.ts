import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';
import { publicationError } from './publication-error.js';

export const publish = operation({
  name: 'publish',
  method: 'POST',
  scope: 'publish',
  summary: 'Publishes an event to the subscribers of a channel, on every node',
  input: z.strictObject({
    channel: fields.channel,
    event: fields.event,
    data: fields.data,
    idempotencyKey: fields.idempotencyKey,
  }),
  answer: z.object({
    channel: z.string(),
    epoch: z.string().optional().meta({ description: "The channel's unbroken history, where it has one." }),
    offset: z.int().optional().meta({ description: 'The place in that history, from 1.' }),
    duplicate: z
      .literal(true)
      .optional()
      .meta({ description: 'The idempotency key was seen before: nothing was published now.' }),
  }),
  async run(target, { channel, event, data, idempotencyKey }) {
    const outcome = await target
      .channel(channel)
      .publish(event, data, { ...(idempotencyKey !== undefined && { idempotencyKey }) });
    if (!outcome.ok) return publicationError(outcome);
    const { epoch, offset, duplicate } = outcome;
    return {
      answer: {
        channel,
        ...(epoch !== undefined && { epoch }),
        ...(offset !== undefined && { offset }),
        ...(duplicate === true && { duplicate }),
      },
    };
  },
});
