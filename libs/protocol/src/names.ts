import { CHANNEL_BYTES, EVENT_BYTES, USER_BYTES } from './limits.js';

const CHANNEL = /^[A-Za-z0-9_.:@%=+-]+$/;
/** What percent-encoding leaves as it is. */
const UNRESERVED = /^[\w.-]+$/;
const USER_PREFIX = 'user:';
// A percent-encoded user id is up to three times as long as the id itself.
const USER_CHANNEL_BYTES = USER_PREFIX.length + 3 * USER_BYTES;

/** True for 1-200 bytes of `[A-Za-z0-9_.:@%=+-]`; a user's own channel may be longer, as its id is percent-encoded. */
export function isChannelName(value: unknown): value is string {
  if (typeof value !== 'string' || !CHANNEL.test(value)) return false;
  return value.length <= (value.startsWith(USER_PREFIX) ? USER_CHANNEL_BYTES : CHANNEL_BYTES);
}

/** The channel of one user, which the server subscribes for its owner. */
export function userChannel(user: string): string {
  return USER_PREFIX + encodeSegment(user);
}

/** Whether a channel is in the users' own name space, well-formed or not: no rule of an application applies there. */
export function isUserChannel(channel: string): boolean {
  return channel.startsWith(USER_PREFIX);
}

/** The user whose channel this is, or undefined. */
export function userOfChannel(channel: string): string | undefined {
  if (!channel.startsWith(USER_PREFIX)) return undefined;
  try {
    const user = decodeURIComponent(channel.slice(USER_PREFIX.length));
    return isUserId(user) && userChannel(user) === channel ? user : undefined;
  } catch {
    return undefined;
  }
}

/** Percent-encodes a value so that it is one segment of a channel name. */
export function encodeSegment(value: string): string {
  if (UNRESERVED.test(value)) return value;
  return encodeURIComponent(value).replaceAll(/[!~*'()]/g, percentEncode);
}

function percentEncode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** True for an event that an application may name: 1-128 bytes, no control characters, not the system's `$`. */
export function isEventName(value: unknown): value is string {
  return isSystemOrEventName(value) && !value.startsWith('$');
}

/** True for anything that may stand in a frame's `event`, the system's `$` names included. */
export function isSystemOrEventName(value: unknown): value is string {
  return (
    typeof value === 'string' && value.length > 0 && utf8Length(value) <= EVENT_BYTES && !hasControl(value)
  );
}

/** True for 1-128 bytes without control characters: what a session's `user` may be. */
export function isUserId(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    utf8Length(value) <= USER_BYTES &&
    value.isWellFormed() &&
    !hasControl(value)
  );
}

function hasControl(value: string): boolean {
  for (let index = 0; index < value.length; index += 1) {
    const unit = value.charCodeAt(index);
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) return true;
  }
  return false;
}

/** The length in UTF-8 bytes, without encoding. */
export function utf8Length(value: string): number {
  let bytes = 0;
  for (let index = 0; index < value.length; index += 1) {
    const unit = value.charCodeAt(index);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (isPair(unit, value.charCodeAt(index + 1))) {
      bytes += 4;
      index += 1;
    } else bytes += 3;
  }
  return bytes;
}

// An unpaired surrogate is encoded as the replacement character, three bytes.
function isPair(high: number, low: number): boolean {
  return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000;
}
