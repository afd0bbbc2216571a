import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it } from 'vitest';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Descriptors, DescriptorSource } from '../connections/descriptors.js';
import { OutboxBudget } from '../connections/outbox-budget.js';
import { Drain } from '../drain/drain.js';
import { Quarantine } from '../handshake/quarantine.js';
import { Refusal } from '../refusal.js';
import { BackplaneWatch } from '../health/backplane-watch.js';
import { HttpEdge } from '../http/http-edge.js';
import { NodePresence } from '../presence/node-presence.js';
import { Sessions } from '../sessions/sessions.js';
import type { MetricsRouteOptions } from './metrics.route.js';
import { RealtimeMetrics } from './meter.js';
import { RealtimeMetricsModule } from './realtime-metrics.module.js';

class FixedDescriptors extends DescriptorSource {
  limit(): number {
    return 1_024;
  }
  count(): Promise<number> {
    return Promise.resolve(24);
  }
}

const backplane = {
  name: 'redis',
  shared: true,
  probe: () => Promise.resolve({ up: true, roundTripMs: 4 } as const),
};

describe('RealtimeMetricsModule', () => {
  let app: INestApplication;
  const metrics = new RealtimeMetrics();

  afterEach(() => app.close());

  async function start(options: MetricsRouteOptions = {}): Promise<URL> {
    const registry = new ConnectionRegistry();
    const descriptors = new Descriptors(new FixedDescriptors());
    const admission = new Admission({ maxConnections: 10, descriptors, connections: () => 5 });
    const edge = new HttpEdge();
    @Module({
      providers: [
        { provide: RealtimeMetrics, useValue: metrics },
        { provide: HttpEdge, useValue: edge },
        { provide: ConnectionRegistry, useValue: registry },
        { provide: Descriptors, useValue: descriptors },
        { provide: Admission, useValue: admission },
        { provide: Quarantine, useValue: new Quarantine({ capacity: 10 }) },
        { provide: OutboxBudget, useValue: new OutboxBudget(1_000, () => 0) },
        { provide: Drain, useValue: new Drain({ registry, admission }) },
        { provide: BackplaneWatch, useValue: new BackplaneWatch(backplane) },
        { provide: Sessions, useValue: { unwritten: 3, unwrittenPresence: 4 } },
        { provide: NodePresence, useValue: { size: 2 } },
      ],
    })
    class Core {}
    @Module({ imports: [Core, RealtimeMetricsModule.forRoot(options)] })
    class App {}
    app = await NestFactory.create(App, { logger: false });
    edge.attach(app.getHttpServer());
    await app.listen(0, '127.0.0.1');
    return new URL('/metrics', await app.getUrl());
  }

  it('serves what the node counts, what it is now, and the process itself', async () => {
    const response = await fetch(await start());
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const lines = (await response.text()).split('\n');
    for (const line of [
      'aerie_connections_opened_total 0',
      'aerie_connections{transport="websocket"} 0',
      'aerie_users 0',
      'aerie_quarantined 0',
      'aerie_saturation 0.5',
      'aerie_fd_used 24',
      'aerie_fd_limit 1024',
      'aerie_sessions_unwritten 3',
      'aerie_presence_unwritten 4',
      'aerie_presence_channels 2',
      'aerie_drain_state 0',
      'aerie_backplane_up 1',
      'aerie_backplane_round_trip_seconds 0.004',
    ])
      expect(lines).toContain(line);
    expect(lines.some((line) => line.startsWith('process_cpu_seconds_total '))).toBe(true);
  });

  it('mounts where it is told, and asks who may read', async () => {
    const seen: (string | undefined)[] = [];
    const url = await start({
      path: '/ops/metrics',
      authorize: ({ headers }) => {
        seen.push(headers.authorization);
        return headers.authorization === 'Bearer key' ? undefined : new Refusal('forbidden', 'no');
      },
    });
    expect((await fetch(url)).status).toBe(404);
    const ops = new URL('/ops/metrics', url);
    expect((await fetch(ops)).status).toBe(403);
    expect((await fetch(ops, { headers: { authorization: 'Bearer key' } })).status).toBe(200);
    expect(seen).toEqual([undefined, 'Bearer key']);
  });
});
