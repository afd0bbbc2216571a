import type { ErrorBody, Position } from '@aerie/protocol';

/** What came of a publication. A failure is a value: repeat it with the same key and it is announced at most once. */
export type PublishOutcome =
  | ({ readonly ok: true; readonly channel?: string; readonly duplicate?: boolean } & Partial<Position>)
  | { readonly ok: false; readonly error: ErrorBody; readonly idempotencyKey: string };

/** What came of a command to every node. */
export type CommandOutcome = { readonly ok: true } | { readonly ok: false; readonly error: ErrorBody };
