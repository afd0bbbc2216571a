import { userChannel } from '@aerie/protocol';
import { ensure, equal, fieldsOf, isNumber } from '../expectations.js';
import type { Rule } from '../rule.js';
import { userOf } from '../trial.js';

export const welcomeRules: readonly Rule[] = [
  {
    name: 'welcome.first',
    says: '$welcome is the first frame of the system on a connection, and comes once; what a client sent before is answered after it',
    run: async (trial) => {
      const talker = await trial.connect({ token: trial.token(0) });
      talker.send({ event: '$ping', id: 'early' });
      await talker.frame(({ id }) => id === 'early');
      const ofSystem = talker.received.filter(
        ({ id, event = '' }) => id !== undefined || event.startsWith('$'),
      );
      equal(ofSystem[0]?.event, '$welcome', "the system's first frame");
      equal(ofSystem.filter(({ event }) => event === '$welcome').length, 1, 'the number of $welcome');
    },
  },
  {
    name: 'welcome.fields',
    says: '$welcome has connection, user, node, expiresAt, heartbeat, maxFrameBytes, transport and channels',
    run: async (trial) => {
      const talker = await trial.connect({ token: trial.token(0) });
      const data = fieldsOf((await talker.frame('$welcome')).data);
      for (const name of ['connection', 'user', 'node'])
        ensure(typeof data[name] === 'string' && data[name] !== '', `${name} is no text`);
      ensure(data['expiresAt'] === null || isNumber(data['expiresAt']), 'expiresAt is no time and not null');
      const { intervalMs, timeoutMs } = fieldsOf(data['heartbeat']);
      ensure(isNumber(intervalMs) && isNumber(timeoutMs), 'heartbeat has no intervalMs and timeoutMs');
      ensure(isNumber(data['maxFrameBytes']), 'maxFrameBytes is no number');
      equal(data['transport'], 'websocket', 'transport');
    },
  },
  {
    name: 'welcome.user-channel',
    says: 'the server subscribes the own user: channel before $welcome, which lists it',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const welcome = talker.received.find(({ event }) => event === '$welcome');
      const channels = fieldsOf(fieldsOf(welcome?.data)['channels']);
      ensure(userChannel(userOf(talker)) in channels, 'channels has no channel of the user');
    },
  },
  {
    name: 'welcome.connections',
    says: 'every connection has an id of its own',
    run: async (trial) => {
      const ids = new Set<unknown>();
      for (let opened = 0; opened < 3; opened += 1) {
        const talker = await trial.connect({ token: trial.token(0) });
        ids.add(fieldsOf((await talker.frame('$welcome')).data)['connection']);
      }
      equal(ids.size, 3, 'the number of ids of three connections');
    },
  },
];
