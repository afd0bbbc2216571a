import { connect } from 'node:net';
import { once } from 'node:events';
import { describe, expect, inject, it } from 'vitest';
import { startRedis } from './redis-server.js';

describe('the Redis of the test run', () => {
  it('is in TEST_REDIS_URL and injected, and answers', async () => {
    expect(process.env['TEST_REDIS_URL']).toBe(inject('redisUrl'));
    expect(await ping(Number(new URL(inject('redisUrl')).port || 6379))).toBe('+PONG');
  });

  it('comes back on its port after a kill', async () => {
    const redis = await startRedis();
    try {
      const first = redis.pid;
      await redis.kill();
      await expect(ping(redis.port)).rejects.toThrow('ECONNREFUSED');
      await redis.restart();
      expect(await ping(redis.port)).toBe('+PONG');
      expect(redis.pid).not.toBe(first);
    } finally {
      await redis.stop();
    }
  });
});

async function ping(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('PING\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString().trim();
}
