import { describe, expect, it } from 'vitest';
import { RealtimeMetrics } from './meter.js';

describe('RealtimeMetrics', () => {
  it('shows every counter from the start, at zero', async () => {
    const text = await new RealtimeMetrics().registry.metrics();
    expect(text).toContain('aerie_connections_opened_total 0');
    expect(text).toContain('aerie_heartbeat_timeouts_total 0');
  });

  it('shows the same total at every scrape', async () => {
    const metrics = new RealtimeMetrics();
    metrics.framesSent.inc(3);
    metrics.framesSent.inc();
    await metrics.registry.metrics();
    expect(await metrics.registry.metrics()).toContain('aerie_frames_sent_total 4');
  });

  it('counts close codes outside the protocol as other', async () => {
    const metrics = new RealtimeMetrics();
    for (const code of [1001, 1006, 4999, 3000]) metrics.connectionClosed(code);
    const text = await metrics.registry.metrics();
    expect(text).toContain('aerie_connections_closed_total{code="1001"} 1');
    expect(text).toContain('aerie_connections_closed_total{code="1006"} 1');
    expect(text).toContain('aerie_connections_closed_total{code="other"} 2');
    expect(text).not.toContain('4999');
  });

  it('times handshakes in seconds, by outcome', async () => {
    const metrics = new RealtimeMetrics();
    metrics.handshake('accepted', 20);
    metrics.handshake('unauthenticated', 5);
    const text = await metrics.registry.metrics();
    expect(text).toContain('aerie_handshakes_total{outcome="accepted"} 1');
    expect(text).toContain('aerie_handshakes_total{outcome="unauthenticated"} 1');
    expect(text).toContain('aerie_handshake_duration_seconds_sum 0.025');
  });

  it('reads gauges at the scrape, with and without a label', async () => {
    const metrics = new RealtimeMetrics();
    let users = 1;
    metrics.observe('aerie_users', () => users);
    metrics.observe('aerie_connections', () => new Map([['websocket', 2]]));
    users = 7;
    const text = await metrics.registry.metrics();
    expect(text).toContain('aerie_users 7');
    expect(text).toContain('aerie_connections{transport="websocket"} 2');
  });

  it('drops a label value that is no longer read', async () => {
    const metrics = new RealtimeMetrics();
    const transports = new Map([['sse', 1]]);
    metrics.observe('aerie_connections', () => transports);
    await metrics.registry.metrics();
    transports.clear();
    expect(await metrics.registry.metrics()).not.toContain('transport="sse"');
  });

  it('shows no value for a gauge whose reading is unknown', async () => {
    const metrics = new RealtimeMetrics();
    metrics.observe('aerie_fd_limit', () => undefined);
    expect(await metrics.registry.metrics()).not.toMatch(/^aerie_fd_limit /m);
  });

  it('forgets a gauge that is taken away', async () => {
    const metrics = new RealtimeMetrics();
    const release = metrics.observe('aerie_channels', () => 1);
    release();
    expect(await metrics.registry.metrics()).not.toContain('aerie_channels');
    metrics.observe('aerie_channels', () => 2);
    expect(await metrics.registry.metrics()).toContain('aerie_channels 2');
  });

  it('keeps two instances apart', async () => {
    const [one, other] = [new RealtimeMetrics(), new RealtimeMetrics()];
    one.slowConsumers.inc();
    expect(await other.registry.metrics()).toContain('aerie_slow_consumers_total 0');
  });
});
