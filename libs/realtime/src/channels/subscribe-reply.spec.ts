import { LIMITS } from '@aerie/protocol';
import { describe, expect, it } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { answerSubscribe } from './subscribe-reply.js';

/** The reply ends with its list; what stands behind it are the frames that follow. */
const REPLY = /^(.*?\]\}\})(.*)$/s;

async function answered(sizes: readonly number[]): Promise<{ reply: string; rest: string }> {
  const { connection, wire } = connect('ann');
  const publications = sizes.map((size, index) =>
    Buffer.from(
      JSON.stringify({ event: 'say', channel: 'room:1', data: 'x'.repeat(size), offset: index + 11 }),
    ),
  );
  const beginning = { epoch: 'e', offset: 10 + sizes.length, recovered: true, publications };
  const content = { channel: 'room:1', beginning, presence: undefined };
  answerSubscribe(connection, { event: '$subscribe', id: 1 }, content);
  await connection.drained();
  const [, reply = '', rest = ''] = REPLY.exec(wire.text) ?? [];
  return { reply, rest };
}

function dataOf(reply: string): unknown {
  return (JSON.parse(reply) as { data: unknown }).data;
}

describe('the reply to $subscribe', () => {
  it('has all that fits', async () => {
    const { reply, rest } = await answered([1, 1]);
    expect(dataOf(reply)).toMatchObject({ offset: 12, publications: [{ offset: 11 }, { offset: 12 }] });
    expect(rest).toBe('');
  });

  it('names the place behind which the frames after it go on', async () => {
    const { reply, rest } = await answered([100_000, 100_000, 100_000]);
    expect(Buffer.byteLength(reply)).toBeLessThanOrEqual(LIMITS.replyBytes);
    expect(dataOf(reply)).toMatchObject({ offset: 12, recovered: true });
    expect(JSON.parse(rest)).toMatchObject({ event: 'say', channel: 'room:1', offset: 13 });
  });

  it('is empty where the first publication alone is too large', async () => {
    const { reply, rest } = await answered([300_000]);
    expect(dataOf(reply)).toMatchObject({ offset: 10, recovered: true, publications: [] });
    expect(JSON.parse(rest)).toMatchObject({ offset: 11 });
  });
});
