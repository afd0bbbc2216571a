import type { PresenceSet } from '@aerie/protocol';
import type { Beginning } from '../history/recovery.js';

/** The data of the reply to `$subscribe`. Publications are encoded already. */
export function encodeSubscribeReply(channel: string, beginning: Beginning, presence?: PresenceSet): Buffer {
  const { publications, ...fields } = beginning;
  const data = JSON.stringify({ channel, ...fields, presence });
  if (publications === undefined) return Buffer.from(data);
  return Buffer.concat([
    Buffer.from(`${data.slice(0, -1)},"publications":[`),
    ...publications.flatMap((frame, index) => (index === 0 ? [frame] : [COMMA, frame])),
    Buffer.from(']}'),
  ]);
}

const COMMA = Buffer.from(',');
