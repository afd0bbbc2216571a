import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL_ZERO, gaugesOf } from '../support/gauges.js';
import { RedisFleet } from './redis-fleet.js';
import { NOBODY, rollCall } from './roll-call.js';
import { trial } from './trial.js';

// `npm run test:faults` has the sizes and times of production; the suite what a minute allows.
const IS_FULL = process.env['AERIE_FAULTS'] === 'full';
const FOLLOWERS = IS_FULL ? 300 : 24;

interface Fault {
  readonly what: string;
  /** Whether the history itself is lost, so that clients may be told of it. Else all must be healed. */
  readonly losesHistory?: boolean;
  /** Whether clients may seem to leave: they are away for longer than a grace. */
  readonly partsMembers?: boolean;
  act(fleet: RedisFleet): Promise<void>;
}

const FAULTS: readonly Fault[] = [
  {
    what: 'the network of every client goes away for 2 s',
    act: async ({ followers }) => {
      await Promise.all(followers.map((follower) => follower.drop(2_000)));
    },
  },
  {
    what: 'a gateway is killed with SIGKILL',
    act: async (fleet) => {
      await fleet.takeGateway().stop();
      await fleet.addGateway();
    },
  },
  ...(IS_FULL ? [7_000, 20_000] : [7_000]).map((ms) => ({
    what: `a gateway stands still for ${ms / 1_000} s (SIGSTOP)`,
    partsMembers: ms > 10_000,
    act: async ({ gateways: [gateway] }: RedisFleet) => {
      gateway?.child.kill('SIGSTOP');
      await sleep(ms);
      gateway?.child.kill('SIGCONT');
    },
  })),
  ...(IS_FULL ? [10_000, 20_000] : [4_000]).map((ms) => ({
    what: `Redis stands still for ${ms / 1_000} s`,
    act: async ({ redis }: RedisFleet) => {
      redis.pause();
      await sleep(ms);
      redis.resume();
    },
  })),
  {
    what: 'the connections to Redis are cut between a command and its answer',
    act: async ({ proxy }) => {
      for (let time = 0; time < 3; time += 1) {
        proxy.setMode('mute');
        await sleep(300);
        proxy.setMode('cut');
        await sleep(200);
        proxy.setMode('pass');
        await sleep(1_000);
      }
    },
  },
  {
    what: 'all gateways are restarted, one after the other',
    act: async (fleet) => {
      for (let left = fleet.gateways.length; left > 0; left -= 1) {
        await fleet.addGateway();
        await fleet.drain(fleet.takeGateway());
      }
    },
  },
  {
    what: 'Redis is emptied (FLUSHALL)',
    losesHistory: true,
    act: async ({ redis }) => flush(redis.port),
  },
  {
    what: 'Redis is killed and comes back empty',
    losesHistory: true,
    act: async ({ redis }) => {
      await redis.kill();
      await sleep(1_000);
      await redis.restart();
    },
  },
];

describe('a channel with a history brings every publication once and in order, or says that it can’t', () => {
  let fleet: RedisFleet;
  beforeAll(async () => {
    fleet = await RedisFleet.on(FOLLOWERS);
  }, 60_000);
  afterAll(() => fleet.stop());

  it.each(FAULTS)(
    'where $what',
    { timeout: 180_000 },
    async ({ act, losesHistory = false, partsMembers = false }) => {
      const { faults, told, left } = await trial(fleet, () => act(fleet));
      expect(faults).toEqual([]);
      if (losesHistory) expect(told).toBeGreaterThan(0);
      else expect(told).toBe(0);
      if (!partsMembers) expect(left).toEqual([]);
    },
  );

  it('leaves nobody behind', { timeout: 60_000 }, async () => {
    await fleet.leave();
    expect(await rollCall(fleet, NOBODY)).toEqual([]);
    for (const gateway of fleet.gateways)
      await expect.poll(() => gaugesOf(gateway), { timeout: 30_000 }).toEqual(ALL_ZERO);
    const [gateway] = fleet.gateways;
    for (const { user } of fleet.followers)
      await expect
        .poll(() => gateway?.api(`presence?user=${user}`), { timeout: 30_000 })
        .toEqual({ user, online: false });
  });
});

async function flush(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.write('FLUSHALL\r\n');
  await once(socket, 'data');
  socket.destroy();
}
