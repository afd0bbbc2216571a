import { LIMITS } from '@aerie/protocol';

/** What stands around the list in a reply: the id, the channel, the position, the offsets of a page. */
const AROUND_BYTES = 8 * 1024;

/** What the list in a reply may take, so that the whole is at most `LIMITS.replyBytes`. Bytes. */
export const REPLY_LIST_BYTES = LIMITS.replyBytes - AROUND_BYTES;
