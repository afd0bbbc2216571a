import { z } from 'zod';
import { fields } from '../fields.js';
import { operation } from '../operation.js';

const MAX_JTI_CHARACTERS = 256;

export const revoke = operation({
  name: 'revoke',
  method: 'POST',
  scope: 'admin',
  summary: 'Ends sessions and refuses their tokens from now on, on every node',
  description:
    'At least one field; several narrow it down. Connections of a revoked session are closed with 4401.',
  input: z
    .strictObject({
      user: fields.user.optional(),
      jti: z
        .string()
        .min(1)
        .max(MAX_JTI_CHARACTERS)
        .optional()
        .meta({ description: 'The `jti` of one token.' }),
      issuedBefore: z
        .int()
        .min(0)
        .optional()
        .meta({
          description: 'Epoch milliseconds: tokens issued before, or without `iat`.',
          examples: [1_767_225_600_000],
        }),
    })
    .refine((fieldsGiven) => Object.keys(fieldsGiven).length > 0, 'needs user, jti or issuedBefore')
    .meta({ minProperties: 1 }),
  answer: z.object({}),
  async run(target, { user, jti, issuedBefore }) {
    const outcome = await target.revoke({
      ...(user !== undefined && { user }),
      ...(jti !== undefined && { jti }),
      ...(issuedBefore !== undefined && { issuedBefore }),
    });
    return outcome.ok ? { answer: {} } : { error: outcome.error };
  },
});
