import { LIMITS } from '@aerie/protocol';
import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';

const publication = z.object({
  event: z.string(),
  channel: z.string(),
  data: fields.data,
  offset: z.int().optional(),
  from: z.string().optional().meta({ description: 'The user whose client published it.' }),
});

export const history = operation({
  name: 'history',
  method: 'GET',
  scope: 'read',
  summary: "A page of a channel's history, oldest first",
  description: 'Cut at 256 KiB: ask again behind the last offset for as long as that is not the channel’s.',
  input: z.strictObject({
    channel: fields.channel,
    after: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .meta({ description: 'Begin behind this offset. Default: the newest publications.' }),
    limit: z.coerce.number().int().min(1).max(LIMITS.historyPage).optional(),
  }),
  answer: z.object({
    channel: z.string(),
    epoch: z.string().meta({ description: "The channel's unbroken history." }),
    offset: z.int().meta({ description: "The channel's newest publication." }),
    publications: z.array(publication),
  }),
  async run(target, { channel, after, limit }) {
    const outcome = await target.channel(channel).history({ after, limit });
    if (!outcome.ok) return { error: outcome.error };
    const { epoch, offset, publications } = outcome;
    return { answer: { channel, epoch, offset, publications: [...publications] } };
  },
});
