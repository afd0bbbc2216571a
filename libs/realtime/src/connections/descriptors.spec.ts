import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Descriptors, DescriptorSource, ProcDescriptors } from './descriptors.js';

class FakeSource extends DescriptorSource {
  constructor(
    private readonly max: number | undefined,
    public open: number | undefined,
  ) {
    super();
  }
  limit(): number | undefined {
    return this.max;
  }
  count(): Promise<number | undefined> {
    return Promise.resolve(this.open);
  }
}

describe('Descriptors', () => {
  it('keeps 5 % of the limit in reserve, and never less than 64', () => {
    expect(new Descriptors(new FakeSource(1_000, 0)).reserve).toBe(64);
    expect(new Descriptors(new FakeSource(100_000, 0)).reserve).toBe(5_000);
  });

  it('is exhausted once only the reserve is left', async () => {
    const source = new FakeSource(1_000, 935);
    const descriptors = new Descriptors(source);
    await descriptors.measure();
    expect(descriptors.exhausted).toBe(false);
    source.open = 936;
    await descriptors.measure();
    expect(descriptors.exhausted).toBe(true);
    expect(descriptors.saturation).toBe(1);
  });

  it('limits nothing where the platform does not say', async () => {
    const descriptors = new Descriptors(new FakeSource(undefined, undefined));
    await descriptors.measure();
    expect(descriptors).toMatchObject({ limit: undefined, exhausted: false, saturation: 0, used: 0 });
  });

  it('finds the real numbers of this process on Linux', async () => {
    const source = new ProcDescriptors();
    if (process.platform === 'linux') {
      expect(source.limit()).toBeGreaterThan(0);
      expect(await source.count()).toBeGreaterThan(2);
    } else expect(source.limit()).toBeUndefined();
  });

  describe('over time', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it('measures the baseline again every 30 s', async () => {
      const source = new FakeSource(1_000, 10);
      const descriptors = new Descriptors(source);
      await descriptors.onModuleInit();
      source.open = 25;
      await vi.advanceTimersByTimeAsync(29_000);
      expect(descriptors.used).toBe(10);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(descriptors.used).toBe(25);
      descriptors.onModuleDestroy();
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  describe('with a server', () => {
    let server: Server;
    beforeEach(async () => {
      server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
    });
    afterEach(() => void server.close());

    it('counts its sockets until they close', async () => {
      const descriptors = new Descriptors(new FakeSource(1_000, undefined));
      descriptors.watch(server);
      const accepted = once(server, 'connection');
      const client = dial(server);
      await accepted;
      expect(descriptors.used).toBe(1);
      client.destroy();
      await vi.waitFor(() => expect(descriptors.used).toBe(0));
    });

    it('has it drop connections when fewer than 32 descriptors are left', async () => {
      const source = new FakeSource(100, 67);
      const descriptors = new Descriptors(source);
      await descriptors.measure();
      descriptors.watch(server);
      const clients = [dial(server)];
      await vi.waitFor(() => expect(descriptors.used).toBe(68));
      const dropped = once(server, 'drop');
      clients.push(dial(server));
      await dropped;
      for (const client of clients) client.destroy();
    });

    it('keeps a lower limit that the application set itself', () => {
      server.maxConnections = 5;
      new Descriptors(new FakeSource(1_000, 0)).watch(server);
      expect(server.maxConnections).toBe(5);
    });
  });
});

function dial(server: Server): Socket {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return connect(address.port, '127.0.0.1').on('error', () => undefined);
}
