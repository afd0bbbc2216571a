import { isChannelName, LIMITS } from '@aerie/protocol';
import type { PageRequest } from '../../history/channel-histories.js';
import { Refusal } from '../../refusal.js';

const WHOLE = /^\d{1,16}$/;
/** As long as no epoch is. Characters. */
const MAX_EPOCH = 64;

/** Which page of which channel a request asks for. */
export interface WantedPage extends PageRequest {
  readonly channel: string;
}

/** `?channel=&after=&epoch=&limit=`, each at most once. */
export function wantedPage(query: URLSearchParams): WantedPage | Refusal {
  const [channel, after, epoch, limit] = ['channel', 'after', 'epoch', 'limit'].map((name) =>
    onlyOf(query, name),
  );
  if (!isChannelName(channel)) return new Refusal('invalid', 'channel must be one channel name');
  if (after !== undefined && wholeNumber(after) === undefined)
    return new Refusal('invalid', 'after must be an offset: a whole number from 0');
  if (epoch !== undefined && (after === undefined || !isEpoch(epoch)))
    return new Refusal('invalid', 'epoch must be that of an answer, and needs after');
  if (limit !== undefined && !isLimit(wholeNumber(limit)))
    return new Refusal('invalid', `limit must be 1-${LIMITS.historyPage}`);
  return { channel, after: wholeNumber(after), epoch, limit: wholeNumber(limit) };
}

// What comes twice is neither: no name and no number.
function onlyOf(query: URLSearchParams, name: string): string | undefined {
  const [value, ...more] = query.getAll(name);
  return more.length > 0 ? '' : value;
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !WHOLE.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

function isEpoch(text: string): boolean {
  return text !== '' && text.length <= MAX_EPOCH;
}

function isLimit(value: number | undefined): boolean {
  return value !== undefined && value >= 1 && value <= LIMITS.historyPage;
}
