import { dataOf, ensure, fieldsOf } from './expectations.js';
import type { Talker } from './talker.js';
import { unique } from './trial.js';

/** What a page or a recovery holds. */
export interface Publication {
  readonly event?: unknown;
  readonly offset?: unknown;
}

/** The publications of a reply; none where it has no list. */
export function publicationsOf(reply: Readonly<Record<string, unknown>>): readonly Publication[] {
  const { publications = [] } = reply;
  ensure(Array.isArray(publications), 'publications is no list');
  return publications.map(fieldsOf);
}

/** Publishes one event after the other; resolves with their names. */
export async function publishSome(
  talker: Talker,
  channel: string,
  count: number,
): Promise<readonly string[]> {
  const events = Array.from({ length: count }, () => unique());
  for (const event of events) dataOf(await talker.request('$publish', { channel, event }), '$publish');
  return events;
}

/** `count` numbers from `first` on. */
export function countFrom(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
