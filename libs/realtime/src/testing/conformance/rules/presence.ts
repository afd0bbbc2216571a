import { LIMITS } from '@aerie/protocol';
import type { ReceivedFrame } from '../../frame-queue.js';
import { dataOf, ensure, equal, failedWith, fieldsOf, includes, isNumber } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { SocketTalker } from '../talker.js';
import { unique, userOf } from '../trial.js';

export const presenceRules: readonly Rule[] = [
  {
    name: 'presence.reply',
    says: '$subscribe with presence: true brings the members at a version, the own user among them',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const { version, members } = await watch(talker, trial.channel());
      ensure(isNumber(version), 'version is no number');
      ensure(members.includes(userOf(talker)), 'the own user is no member');
    },
  },
  {
    name: 'presence.later',
    says: 'who is subscribed may ask for presence later',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const reply = dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
      equal(reply['presence'], undefined, 'presence of who did not ask');
      ensure((await watch(talker, channel)).members.includes(userOf(talker)), 'the own user is no member');
    },
  },
  {
    name: 'presence.join-leave',
    says: '$join and $leave {channel, user, version, at} tell of each user that comes or goes, their versions grow',
    run: async (trial) => {
      const [watcher, other] = [await trial.welcomed(0), await trial.welcomed(1)];
      const channel = trial.channel();
      const { version } = await watch(watcher, channel);
      dataOf(await other.request('$subscribe', { channel }), '$subscribe');
      const joined = await watcher.frame(notice('$join', channel, userOf(other)));
      dataOf(await other.request('$unsubscribe', { channel }), '$unsubscribe');
      const left = await watcher.frame(notice('$leave', channel, userOf(other)));
      const versions = [version, ...[joined, left].map(({ data }) => Number(fieldsOf(data)['version']))];
      equal(
        versions,
        [...new Set(versions)].toSorted((a, b) => a - b),
        'the versions in their order',
      );
      for (const { data } of [joined, left]) ensure(isNumber(fieldsOf(data)['at']), 'at is no number');
    },
  },
  {
    name: 'presence.asked-only',
    says: 'who did not ask for presence hears nothing of it',
    run: async (trial) => {
      const [watcher, other] = [await trial.welcomed(0), await trial.welcomed(1)];
      const channel = trial.channel();
      await watch(watcher, channel);
      dataOf(await other.request('$subscribe', { channel }), '$subscribe');
      await watcher.frame(notice('$join', channel, userOf(other)));
      await other.request('$ping');
      const heard = other.received.filter(({ event = '' }) => /^\$(join|leave|presence)$/.test(event));
      equal(heard, [], 'what it heard');
    },
  },
  {
    name: 'presence.once',
    says: 'a user counts once, however many connections: no $leave before the last one goes',
    run: async (trial) => {
      const watcher = await trial.welcomed(0);
      const [phone, laptop] = [await trial.welcomed(1), await trial.welcomed(1)];
      const channel = trial.channel();
      await watch(watcher, channel);
      for (const talker of [phone, laptop])
        dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
      await watcher.frame(notice('$join', channel, userOf(phone)));
      dataOf(await phone.request('$unsubscribe', { channel }), '$unsubscribe');
      const { members } = setOf(await watcher.request('$presence', { channel }));
      equal(members.filter((user) => user === userOf(phone)).length, 1, 'how often the user is a member');
      dataOf(await laptop.request('$unsubscribe', { channel }), '$unsubscribe');
      await watcher.frame(notice('$leave', channel, userOf(phone)));
      const changes = watcher.received.filter(({ data }) => fieldsOf(data)['user'] === userOf(phone));
      equal(
        changes.map(({ event }) => event),
        ['$join', '$leave'],
        'what was told',
      );
    },
  },
  {
    name: 'presence.pages',
    says: '$presence brings the members in pages: more where there are more, which come behind after',
    run: async (trial) => {
      const talkers = [await trial.welcomed(0), await trial.welcomed(1)];
      const [asker] = talkers as [SocketTalker];
      const channel = trial.channel();
      for (const talker of talkers) dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
      const users = talkers.map(userOf);
      await trial.until('both are members', async () => {
        const { members } = setOf(await asker.request('$presence', { channel }));
        return users.every((user) => members.includes(user));
      });
      const members = await readAll(asker, channel);
      equal(
        users.filter((user) => members.includes(user)),
        users,
        'the members',
      );
      equal(new Set(members).size, members.length, 'the number of different members');
    },
  },
  {
    name: 'presence.limits',
    says: '$presence takes a limit of 1-1,000; anything else is invalid',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      for (const limit of [0, LIMITS.presencePage + 1, '1'])
        failedWith(await talker.request('$presence', { channel, limit }), 'invalid', `the limit ${limit}`);
    },
  },
  {
    name: 'presence.without-subscription',
    says: '$presence needs the right to subscribe and no subscription: forbidden, alike for what does not exist',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const secret = await talker.request('$presence', { channel: await trial.forbiddenChannel() });
      const absent = await talker.request('$presence', { channel: `${unique()}:${unique()}` });
      failedWith(secret, 'forbidden', 'a forbidden channel');
      equal(absent.error, secret.error, 'the error of a channel that does not exist');
      const channel = trial.channel();
      const reply = await talker.request('$presence', { channel });
      includes(dataOf(reply, '$presence'), { channel }, 'the reply');
      ensure(isNumber(setOf(reply).version), 'version is no number');
    },
  },
];

interface MemberSet {
  readonly version: number;
  readonly members: readonly string[];
  readonly more: boolean;
}

/** Subscribes and asks for presence. */
async function watch(talker: SocketTalker, channel: string): Promise<MemberSet> {
  const reply = dataOf(await talker.request('$subscribe', { channel, presence: true }), '$subscribe');
  return setFrom(reply['presence']);
}

function setOf(frame: ReceivedFrame): MemberSet {
  return setFrom(dataOf(frame, '$presence'));
}

function setFrom(value: unknown): MemberSet {
  const { version, members, more } = fieldsOf(value);
  ensure(Array.isArray(members), 'members is no list');
  const users = members.map((member) => String(fieldsOf(member)['user']));
  return { version: version as number, members: users, more: more === true };
}

/** Every member, in pages of one. */
async function readAll(talker: SocketTalker, channel: string): Promise<readonly string[]> {
  const users: string[] = [];
  for (let more = true; more && users.length < LIMITS.presencePage;) {
    const after = users.length === 0 ? {} : { after: users.at(-1) };
    const page = setOf(await talker.request('$presence', { channel, limit: 1, ...after }));
    ensure(page.members.length <= 1, `a page of 1 has ${page.members.length}`);
    users.push(...page.members);
    ({ more } = page);
  }
  return users;
}

function notice(name: string, channel: string, user: string): (frame: ReceivedFrame) => boolean {
  return ({ event, data }) =>
    event === name && fieldsOf(data)['channel'] === channel && fieldsOf(data)['user'] === user;
}
