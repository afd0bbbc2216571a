import {
  isChannelName,
  isEventName,
  isUserChannel,
  isUserId,
  LIMITS,
  userOfChannel,
  utf8Length,
} from '@aerie/protocol';
import { z } from 'zod';

/** The fields that several operations share, held to the protocol's own rules. */
export const fields = {
  channel: z
    .string()
    .refine(isChannelName, `must be 1-${LIMITS.channelBytes} bytes of A-Z a-z 0-9 _ . : @ % = + -`)
    // Nobody could ever be in it: what is published there would be lost without a word.
    .refine(
      (channel) => !isUserChannel(channel) || !isChannelName(channel) || userOfChannel(channel) !== undefined,
      'must be user: and the id, percent-encoded but for A-Z a-z 0-9 - . _',
    )
    .meta({ minLength: 1, maxLength: LIMITS.channelBytes, examples: ['public:lobby'] }),
  event: z
    .string()
    .refine(
      isEventName,
      `must be 1-${LIMITS.eventBytes} bytes without control characters and not start with $`,
    )
    .meta({ minLength: 1, maxLength: LIMITS.eventBytes, examples: ['say'] }),
  user: z
    .string()
    .refine(isUserId, `must be 1-${LIMITS.userBytes} bytes without control characters`)
    .meta({ minLength: 1, maxLength: LIMITS.userBytes, examples: ['alice'] }),
  data: z
    .unknown()
    .optional()
    .meta({ description: 'Any JSON; what clients get as `data`.', examples: [{ text: 'hello' }] }),
  idempotencyKey: z
    .string()
    .refine(
      (key) => key !== '' && utf8Length(key) <= LIMITS.idempotencyKeyBytes,
      `must be 1-${LIMITS.idempotencyKeyBytes} bytes`,
    )
    .optional()
    .meta({
      minLength: 1,
      maxLength: LIMITS.idempotencyKeyBytes,
      description: 'Repeating a call with the same key within five minutes publishes nothing more.',
    }),
} as const;
