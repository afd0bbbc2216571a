import { Global, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Descriptors, DescriptorSource } from '../connections/descriptors.js';
import { Drain } from '../drain/drain.js';
import { Refusal } from '../refusal.js';
import { HttpEdge } from '../http/http-edge.js';
import type { BackplaneHealth } from '../publishing/backplane.js';
import { RevocationLog } from '../sessions/revocations.js';
import { BackplaneWatch } from './backplane-watch.js';
import type { RealtimeHealthOptions } from './health-options.js';
import { RealtimeHealthModule } from './realtime-health.module.js';

class FakeBackplane {
  readonly name = 'redis';
  shared = true;
  health: BackplaneHealth = { up: true, roundTripMs: 2 };
  probe(): Promise<BackplaneHealth> {
    return Promise.resolve(this.health);
  }
}

/** The parts of a node that health looks at, in the state a test wants. */
class TestNode extends DescriptorSource {
  readonly edge = new HttpEdge();
  readonly registry = new ConnectionRegistry();
  readonly revocations = { loaded: true };
  readonly backplane = new FakeBackplane();
  readonly watch = new BackplaneWatch(this.backplane, { intervalMs: 10, returnJitterMs: 0 });
  descriptorLimit: number | undefined = 10_000;
  openDescriptors = 100;
  connections = 0;
  limit(): number | undefined {
    return this.descriptorLimit;
  }
  count(): Promise<number> {
    return Promise.resolve(this.openDescriptors);
  }
  readonly descriptors = new Descriptors(this);
  readonly admission = new Admission({
    maxConnections: 100,
    descriptors: this.descriptors,
    connections: () => this.connections,
  });
  readonly drain = new Drain(this, { windowMs: 100, lameDuckMs: 0 });
}

interface Probe {
  readonly status: number;
  readonly body: {
    status: string;
    error: Record<string, Record<string, unknown>>;
    details: Record<string, Record<string, unknown>>;
  };
}

describe('RealtimeHealthModule', () => {
  let node: TestNode;
  let app: INestApplication;

  beforeEach(() => {
    node = new TestNode();
  });
  afterEach(() => app.close());

  async function start(options?: RealtimeHealthOptions): Promise<void> {
    @Global()
    @Module({
      providers: [
        { provide: HttpEdge, useValue: node.edge },
        { provide: Descriptors, useValue: node.descriptors },
        { provide: Admission, useValue: node.admission },
        { provide: Drain, useValue: node.drain },
        { provide: BackplaneWatch, useValue: node.watch },
        { provide: RevocationLog, useValue: node.revocations },
      ],
      exports: [HttpEdge, Descriptors, Admission, Drain, BackplaneWatch, RevocationLog],
    })
    class Core {}
    @Module({ imports: [Core, RealtimeHealthModule.forRoot(options)] })
    class App {}
    app = await NestFactory.create(App, { logger: false });
    node.edge.attach(app.getHttpServer());
    await app.listen(0, '127.0.0.1');
  }

  async function probe(path: string): Promise<Probe> {
    const response = await fetch(new URL(path, await app.getUrl()));
    return { status: response.status, body: (await response.json()) as Probe['body'] };
  }

  it('answers 200 with the numbers of every indicator when all is well', async () => {
    await start();
    const { status, body } = await probe('/health/ready');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'ok',
      details: {
        drain: { status: 'up', state: 'idle', remaining: 0, door: 'open' },
        saturation: { status: 'up', saturation: expect.any(Number) },
        descriptors: { status: 'up', used: 100, limit: 10_000, reserve: 500 },
        memory: { status: 'up', rssBytes: expect.any(Number), maxHeapBytes: expect.any(Number) },
        backplane: { status: 'up', name: 'redis', shared: true, roundTripMs: 2 },
        revocations: { status: 'up' },
      },
    });
  });

  it('calls the process alive and started by its event loop alone', async () => {
    node.revocations.loaded = false;
    node.backplane.health = { up: false, reason: 'timeout' };
    await start({ backplane: 'required' });
    for (const path of ['/health/live', '/health/startup']) {
      const { status, body } = await probe(path);
      expect(status).toBe(200);
      expect(Object.keys(body.details)).toEqual(['eventLoop']);
    }
  });

  it('is not ready from the first moment of a drain on, but alive', async () => {
    await start();
    void node.drain.begin();
    const { status, body } = await probe('/health/ready');
    expect(status).toBe(503);
    expect(body.error).toHaveProperty('drain');
    expect((await probe('/health/live')).status).toBe(200);
  });

  it('names a required backplane that is away, and is ready again when it is back', async () => {
    await start({ backplane: 'required' });
    node.backplane.health = { up: false, reason: 'timeout' };
    await vi.waitFor(async () => {
      const { status, body } = await probe('/health/ready');
      expect(status).toBe(503);
      expect(body.error).toEqual({
        backplane: { status: 'down', name: 'redis', shared: true, reason: 'timeout' },
      });
    });
    node.backplane.health = { up: true, roundTripMs: 2 };
    await vi.waitFor(async () => expect((await probe('/health/ready')).status).toBe(200));
  });

  it('stays in service, degraded, without a backplane where it is not required', async () => {
    node.backplane.health = { up: false, reason: 'timeout' };
    await start();
    const { status, body } = await probe('/health/ready');
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'degraded', details: { backplane: { status: 'degraded' } } });
  });

  it('warns in production of a backplane that reaches no other node', async () => {
    node.backplane.shared = false;
    await start({ production: true });
    const { status, body } = await probe('/health/ready');
    expect(status).toBe(200);
    expect(body.details['backplane']).toMatchObject({
      status: 'up',
      warning: 'this backplane reaches no other node',
    });
  });

  it('is not ready without a shared backplane where one is demanded', async () => {
    node.backplane.shared = false;
    await start({ requireSharedBackplane: true });
    expect((await probe('/health/ready')).body.error).toHaveProperty('backplane');
  });

  it('is not ready before the revocations are loaded', async () => {
    node.revocations.loaded = false;
    await start();
    expect((await probe('/health/ready')).body.error).toEqual({
      revocations: { status: 'down', message: 'not loaded yet' },
    });
    node.revocations.loaded = true;
    expect((await probe('/health/ready')).status).toBe(200);
  });

  it('is not ready when full, until a tenth is free again', async () => {
    await start();
    const readyAt = async (connections: number): Promise<number> => {
      node.connections = connections;
      return (await probe('/health/ready')).status;
    };
    expect(await readyAt(99)).toBe(200);
    expect(await readyAt(100)).toBe(503);
    expect(await readyAt(91)).toBe(503);
    expect(await readyAt(89)).toBe(200);
    expect(await readyAt(99)).toBe(200);
  });

  it('is not ready while only the reserve of descriptors is left', async () => {
    await start();
    node.openDescriptors = 9_500;
    await node.descriptors.measure();
    expect((await probe('/health/ready')).body.error['descriptors']).toMatchObject({
      used: 9_500,
      reserve: 500,
    });
  });

  it('is not ready past its memory limit', async () => {
    await start({ maxRssBytes: 1 });
    expect((await probe('/health/ready')).body.error['memory']).toMatchObject({ maxRssBytes: 1 });
  });

  it('mounts under another prefix, or nowhere', async () => {
    await start({ prefix: '/realtime' });
    expect((await probe('/realtime/live')).status).toBe(200);
    expect((await probe('/health/live')).status).toBe(404);
    await app.close();
    await start({ prefix: false });
    expect((await probe('/health/live')).status).toBe(404);
  });

  it('asks who may read', async () => {
    await start({ authorize: () => new Refusal('unauthenticated', 'an API key is needed') });
    expect((await probe('/health/ready')).status).toBe(401);
  });
});
