import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OutboxBudget } from './outbox-budget.js';
import { oweAnswer } from './owed-answer.js';

/** More than the buffers of a kernel hold. */
const LARGE_BYTES = 64 * 1024 * 1024;

let budget: OutboxBudget;
let server: Server;
let client: Socket;

beforeEach(async () => {
  budget = new OutboxBudget(1024 * 1024 * 1024, () => 1);
  server = createServer((request, response) => {
    const payload = Buffer.alloc(request.url === '/large' ? LARGE_BYTES : 100);
    oweAnswer(budget, response, payload);
    response.end(payload);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
});
afterEach(async () => {
  client.destroy();
  budget.close();
  server.close();
  await once(server, 'close');
});

function ask(path: string): void {
  client.write(`GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`);
}

describe('an HTTP answer', () => {
  it('counts until its client has taken it', async () => {
    client.pause();
    ask('/large');
    await vi.waitFor(() => expect(budget.bytes).toBeGreaterThan(LARGE_BYTES));
    client.resume();
    await vi.waitFor(() => expect(budget.bytes).toBe(0));
    expect(client.destroyed).toBe(false);
  });

  it('counts no longer when its client goes away', async () => {
    client.pause();
    ask('/large');
    await vi.waitFor(() => expect(budget.bytes).toBeGreaterThan(LARGE_BYTES));
    client.destroy();
    await vi.waitFor(() => expect(budget.bytes).toBe(0));
  });

  it('is cut where the node has no room for what nobody takes', async () => {
    budget = new OutboxBudget(1024 * 1024, () => 1);
    client.pause();
    ask('/large');
    await vi.waitFor(() => expect(budget.bytes).toBeGreaterThan(LARGE_BYTES));
    await vi.waitFor(() => expect(budget.bytes).toBe(0));
    client.resume();
    await once(client, 'close');
  });

  it('does not count where it is small', async () => {
    const retain = vi.spyOn(budget, 'retain');
    ask('/small');
    await once(client, 'data');
    expect(retain).not.toHaveBeenCalled();
  });
});
