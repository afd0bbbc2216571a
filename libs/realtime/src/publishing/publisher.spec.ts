import { beforeEach, describe, expect, it } from 'vitest';
import { SlowBackplane } from '../../../../test/support/slow-backplane.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { Publisher } from './publisher.js';

let backplane: SlowBackplane;
let metrics: RealtimeMetrics;
let publisher: Publisher;

beforeEach(() => {
  backplane = new SlowBackplane();
  metrics = new RealtimeMetrics();
  publisher = new Publisher(backplane, metrics);
});

const frame = { event: 'say', channel: 'room:7', data: { text: 'hi' } };

async function counted(outcome: string): Promise<boolean> {
  return (await metrics.registry.metrics()).includes(`aerie_publications_total{outcome="${outcome}"} 1`);
}

describe('a publication', () => {
  it('is encoded once and announced with its key', async () => {
    await publisher.publish({ channel: 'room:7', frame, idempotencyKey: 'k' });
    const [announcement] = backplane.announced;
    expect(announcement?.channel).toBe('room:7');
    expect(announcement?.idempotencyKey).toBe('k');
    expect(JSON.parse(Buffer.from(announcement?.frame ?? []).toString('utf8'))).toEqual(frame);
  });

  it('gets a key of its own where it has none', async () => {
    await publisher.publish({ channel: 'room:7', frame });
    await publisher.publish({ channel: 'room:7', frame });
    const keys = backplane.announced.map(({ idempotencyKey }) => idempotencyKey);
    expect(new Set(keys).size).toBe(2);
    for (const key of keys) expect(key).toMatch(/^[\w-]{22}$/);
  });

  it('tells its channel and position', async () => {
    backplane.answer = () => ({ duplicate: false, epoch: 'e', offset: 4 });
    await expect(publisher.publish({ channel: 'room:7', frame })).resolves.toEqual({
      ok: true,
      channel: 'room:7',
      epoch: 'e',
      offset: 4,
    });
    expect(await counted('announced')).toBe(true);
  });

  it('says so where its key was seen before', async () => {
    backplane.answer = () => ({ duplicate: true });
    await expect(publisher.publish({ channel: 'room:7', frame })).resolves.toEqual({
      ok: true,
      channel: 'room:7',
      duplicate: true,
    });
    expect(await counted('duplicate')).toBe(true);
  });

  it('keeps the names of internal channels to itself', async () => {
    await expect(publisher.publish({ channel: '$broadcast', frame })).resolves.toEqual({ ok: true });
  });

  it('that the backplane does not answer is a value, with the key to repeat it by', async () => {
    backplane.away = true;
    const outcome = await publisher.publish({ channel: 'room:7', frame });
    const [announcement] = backplane.announced;
    expect(outcome).toMatchObject({
      ok: false,
      error: { code: 'unavailable' },
      idempotencyKey: announcement?.idempotencyKey,
    });
    expect(await counted('unavailable')).toBe(true);
  });

  it('that no JSON can hold is a bug of the caller and rejects', async () => {
    await expect(publisher.publish({ channel: 'room:7', frame: { data: 1n } })).rejects.toThrow(TypeError);
    expect(backplane.announced).toEqual([]);
  });
});
