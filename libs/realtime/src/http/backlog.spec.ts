import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createRawServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { BACKLOG, deepenBacklog } from './backlog.js';

const callback = (): void => undefined;

/** What the server would have been asked to do, and the server. */
function recorded() {
  const asked: unknown[][] = [];
  const server = createServer();
  server.listen = (...args: unknown[]) => {
    asked.push(args);
    return server;
  };
  return { server, asked };
}

describe('a server whose backlog is deepened', () => {
  const server = createServer();
  afterEach(() => server.close());

  it.each([
    [[3000], [3000, undefined, BACKLOG]],
    [['3000'], ['3000', undefined, BACKLOG]],
    [
      [3000, callback],
      [3000, undefined, BACKLOG, callback],
    ],
    [
      [3000, '127.0.0.1', callback],
      [3000, '127.0.0.1', BACKLOG, callback],
    ],
    [
      [3000, '127.0.0.1', undefined, callback],
      [3000, '127.0.0.1', BACKLOG, callback],
    ],
    [
      ['/run/app.sock', callback],
      ['/run/app.sock', undefined, BACKLOG, callback],
    ],
    [
      [{ port: 3000, host: '::' }, callback],
      [{ port: 3000, host: '::', backlog: BACKLOG }, callback],
    ],
  ])('asks for it where listen(%j) names none', (given, asked) => {
    const fake = recorded();
    deepenBacklog(fake.server);
    Reflect.apply(fake.server.listen, fake.server, given);
    expect(fake.asked).toEqual([asked]);
  });

  it.each([
    [[3000, '127.0.0.1', 20, callback]],
    [[3000, 20, callback]],
    [[{ port: 3000, backlog: 20 }, callback]],
    [[callback]],
    [[createRawServer()]],
  ])('leaves what an application says itself: %j', (given) => {
    const fake = recorded();
    deepenBacklog(fake.server);
    Reflect.apply(fake.server.listen, fake.server, given);
    expect(fake.asked).toEqual([given]);
  });

  it('listens, and is given back as it was', async () => {
    const own = Object.getOwnPropertyDescriptor(server, 'listen');
    const restore = deepenBacklog(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    restore();
    expect(Object.getOwnPropertyDescriptor(server, 'listen')).toEqual(own);
  });
});
