import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway, tokenFor } from './support/gateway.js';

/** What a socket got until it was closed, and after how many milliseconds. */
interface Ending {
  readonly answer: string;
  readonly afterMs: number;
}

describe('a request that never ends', () => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.stop());

  function endingOf(...head: readonly string[]): Promise<Ending> {
    const startedAt = performance.now();
    const socket = connect({ port: gateway.port, host: '127.0.0.1' }).setEncoding('latin1');
    socket.write(head.join('\r\n'));
    const trickle = setInterval(() => socket.write('x'), 500);
    let answer = '';
    socket.on('data', (text) => (answer += String(text))).on('error', () => undefined);
    return new Promise((resolve) => {
      socket.once('close', () => {
        clearInterval(trickle);
        resolve({ answer, afterMs: performance.now() - startedAt });
      });
    });
  }

  it('is cut with 408 after 10 s in its headers, and after 15 s in a body that nobody reads', async () => {
    const [headers, body] = await Promise.all([
      endingOf('GET /ws HTTP/1.1', 'Host: a', 'X-Slow: '),
      endingOf('POST /nowhere HTTP/1.1', 'Host: a', 'Content-Length: 1000', '', ''),
    ]);
    expect(headers.answer).toMatch(/^HTTP\/1.1 408 /);
    expect(headers.afterMs).toBeGreaterThan(9_500);
    expect(headers.afterMs).toBeLessThan(14_000);
    expect(body.answer).toMatch(/^HTTP\/1.1 404 /);
    expect(body.afterMs).toBeLessThan(20_000);
  }, 60_000);

  it('gets one answer where its body does not come, and is closed', async () => {
    const { answer } = await endingOf(
      'POST /send HTTP/1.1',
      'Host: a',
      'Aerie-Connection: a',
      `Authorization: Bearer ${tokenFor('ann')}`,
      'Content-Type: application/json',
      'Content-Length: 1000',
      '',
      '',
    );
    expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 408']);
    expect(answer).toMatch(/^connection: close\r$/im);
  }, 60_000);
});
