import type { Message, PresenceSet } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import type { Beginning } from '../history/recovery.js';
import { answer, answerEncoded } from '../messages/message-handlers.js';
import { REPLY_LIST_BYTES } from '../reply-bytes.js';

/** What a subscription begins with. */
export interface SubscribeReplyContent {
  readonly channel: string;
  readonly beginning: Beginning;
  readonly presence: PresenceSet | undefined;
}

/**
 * Answers `$subscribe`, with an id. Publications for which a reply of 256 KiB has no room follow it at once, as they would
 * have come live: the reply's position is the one behind which they go on.
 */
export function answerSubscribe(
  connection: Connection,
  message: Message,
  content: SubscribeReplyContent,
): void {
  if (message.id === undefined) return;
  const { channel, presence, beginning } = content;
  const { publications, epoch, offset, recovered } = beginning;
  if (publications === undefined)
    return answer(connection, message, { channel, epoch, offset, recovered, presence });
  const presenceBytes = presence === undefined ? 0 : Buffer.byteLength(JSON.stringify(presence));
  const count = countWithin(publications, REPLY_LIST_BYTES - presenceBytes);
  const rest = publications.slice(count);
  // Offsets have no holes.
  const first = offset === undefined ? undefined : offset - rest.length;
  const head = JSON.stringify({ channel, epoch, offset: first, recovered, presence });
  answerEncoded(connection, message, withList(head, publications.slice(0, count)));
  sendTogether(connection, rest);
}

function countWithin(frames: readonly Uint8Array[], maxBytes: number): number {
  let bytes = 0;
  const past = frames.findIndex(({ byteLength }) => (bytes += byteLength + COMMA.byteLength) > maxBytes);
  return past === -1 ? frames.length : past;
}

/** The publications are encoded already. */
function withList(head: string, publications: readonly Buffer[]): readonly Buffer[] {
  return [
    Buffer.from(`${head.slice(0, -1)},"publications":[`),
    ...publications.flatMap((frame, index) => (index === 0 ? [frame] : [COMMA, frame])),
    LIST_END,
  ];
}

function sendTogether(connection: Connection, frames: readonly Buffer[]): void {
  if (frames.length === 0) return;
  const framed = frames.map((frame) => connection.framing.frame(frame));
  connection.sendFramed(Buffer.concat(framed), { frames: frames.length });
}

const COMMA = Buffer.from(',');
const LIST_END = Buffer.from(']}');
