import { setTimeout as sleep } from 'node:timers/promises';
import { CHANNELS, type Fleet, WATCHED } from './fleet.js';

/** Who should be there. */
export type Expected = Pick<Fleet, 'followers' | 'watchers'>;

export const NOBODY: Expected = { followers: [], watchers: [] };

/** A killed gateway's members are swept after 10 to 16 s, and a client may have to wait as long before it comes back. */
const EXACT_MS = 45_000;
const LOOK_EVERY_MS = 200;

/**
 * Waits until the channels have exactly those members, each with one connection, and whoever watches sees them. What is
 * wrong about that in the end, the first few of it.
 */
export async function rollCall(fleet: Fleet, expected: Expected = fleet): Promise<readonly string[]> {
  for (const deadline = Date.now() + EXACT_MS; ; await sleep(LOOK_EVERY_MS)) {
    const faults = await faultsIn(fleet, expected);
    if (faults.length === 0 || Date.now() > deadline) return faults.slice(0, 5);
  }
}

async function faultsIn(fleet: Fleet, expected: Expected): Promise<readonly string[]> {
  const members = await Promise.all(CHANNELS.map((channel) => fleet.membersOf(channel)));
  const usersOf = (channel: string): readonly string[] =>
    [...expected.followers, ...(channel === WATCHED ? expected.watchers : [])].map(({ user }) => user);
  const stored = CHANNELS.flatMap((channel, index) =>
    differences(
      channel,
      members[index] ?? [],
      usersOf(channel).map((user) => `${user} x 1`),
    ),
  );
  const seen = expected.watchers.flatMap(({ user, users }) =>
    differences(`${WATCHED} as ${user} sees it`, users, usersOf(WATCHED)),
  );
  return [...stored, ...seen];
}

function differences(
  where: string,
  found: readonly string[],
  expected: readonly string[],
): readonly string[] {
  return [
    ...found.filter((one) => !expected.includes(one)).map((one) => `${where}: ${one} is too many`),
    ...expected.filter((one) => !found.includes(one)).map((one) => `${where}: ${one} is missing`),
  ];
}
