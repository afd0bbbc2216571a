import { REPLY_LIST_BYTES } from '../reply-bytes.js';

/** `{"user":…,"connections":…},` without the user. */
const AROUND_USER_BYTES = 48;
/** A user's name in JSON, its quotes included: 128 bytes, each of which may be escaped. */
const MOST_USER_BYTES = 2 * 128 + 2;
const ALWAYS_FIT = Math.floor(REPLY_LIST_BYTES / (AROUND_USER_BYTES + MOST_USER_BYTES));

/** How many of these members, from the first one on, a reply has room for. */
export function countThatFit(users: readonly string[]): number {
  if (users.length <= ALWAYS_FIT) return users.length;
  let bytes = 0;
  const past = users.findIndex((user) => {
    bytes += AROUND_USER_BYTES + Buffer.byteLength(JSON.stringify(user));
    return bytes > REPLY_LIST_BYTES;
  });
  return past === -1 ? users.length : past;
}
