import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '@aerie/protocol';
import { report } from '../load/scale.js';
import type { Fleet } from './fleet.js';
import { judge, Ledger } from './ledger.js';
import { rollCall } from './roll-call.js';

export interface Outcome {
  /** What broke the promise, the first few of it; empty: it was kept. */
  readonly faults: readonly string[];
  /** How often clients were told that they missed something. */
  readonly told: number;
  /** Clients that were said to have left, though they came back; those who watch excepted. */
  readonly left: readonly string[];
}

const CALM_MS = 1_000;

/** Publishes while something happens to the fleet, waits until it got over that, and judges what each client saw, and who is there in the end. */
export async function trial(fleet: Fleet, act: () => Promise<void>): Promise<Outcome> {
  const before = beginAnew(fleet);
  fleet.publish();
  await sleep(CALM_MS);
  await act();
  await fleet.everyoneIsThere();
  await sleep(CALM_MS);
  await fleet.stopPublishing();

  const ends = await fleet.settled();
  const verdicts = fleet.followers.flatMap((follower, index) =>
    [...follower.sights].map(([channel, sights]) =>
      judge(channel, sights, {
        ledger: fleet.ledger,
        from: before[index]?.get(channel),
        end: ends.get(channel) ?? { epoch: '', offset: 0 },
      }),
    ),
  );
  const told = verdicts.reduce((sum, verdict) => sum + verdict.told, 0);
  report({
    published: fleet.ledger.size,
    delivered: verdicts.reduce((sum, { live, replayed }) => sum + live + replayed, 0),
    replayed: verdicts.reduce((sum, { replayed }) => sum + replayed, 0),
    told,
    back: quantiles(fleet.followers.flatMap(({ recoveries }) => recoveries)),
  });
  const faults = verdicts.flatMap((verdict) => verdict.faults).slice(0, 5);
  const absent = await rollCall(fleet);
  const left = fleet.followers
    .map(({ user }) => user)
    .filter((user) => fleet.watchers.some((watcher) => watcher.leaves(user) > 0));
  return { faults: [...faults, ...fleet.ledger.faults, ...absent], told, left };
}

/** A new page for what is published and seen; tells where each client is. */
function beginAnew(fleet: Fleet): readonly ReadonlyMap<string, Position | undefined>[] {
  fleet.ledger = new Ledger();
  for (const { told } of fleet.watchers) told.length = 0;
  return fleet.followers.map((follower) => {
    follower.recoveries.length = 0;
    const positions = [...follower.sights.keys()].map(
      (channel) => [channel, follower.position(channel)] as const,
    );
    for (const [channel] of positions) follower.sights.set(channel, []);
    return new Map(positions);
  });
}

function quantiles(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return sorted.length === 0 ? 'nobody was away' : `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
