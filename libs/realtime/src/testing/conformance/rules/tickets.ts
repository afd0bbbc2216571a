import { STATUS } from '../../../transports/grpc/grpc-status.js';
import { hasStatus } from '../client-call.js';
import { ensure, equal, fieldsOf, isNumber } from '../expectations.js';
import type { Rule } from '../rule.js';
import { type Trial, userOf } from '../trial.js';

export const ticketRules: readonly Rule[] = [
  {
    name: 'ticket.issued',
    says: 'who has a credential buys a ticket, which stands for its user',
    run: async (trial) => {
      const ticket = await bought(trial);
      const talker = await trial.connect({}, trial.urlWith({ ticket }));
      await talker.frame('$welcome');
      equal(userOf(talker), userOf(await trial.welcomed()), 'the user');
    },
  },
  {
    name: 'ticket.single-use',
    says: 'a ticket is good once',
    run: async (trial) => {
      const url = trial.urlWith({ ticket: await bought(trial) });
      equal((await trial.probe({}, url)).status, 101, 'the first status');
      equal((await trial.probe({}, url)).status, 401, 'the second status');
    },
  },
  {
    name: 'ticket.dry-run',
    says: 'a plain GET checks a ticket and does not use it up',
    run: async (trial) => {
      const ticket = await bought(trial);
      equal((await trial.dryRun({ ticket })).status, 426, 'the status of a GET');
      equal((await trial.probe({}, trial.urlWith({ ticket }))).status, 101, 'the status');
    },
  },
  {
    name: 'ticket.buys-none',
    says: 'a ticket buys no ticket',
    run: async (trial) => {
      const { status } = await trial.buyTicket({}, { ticket: await bought(trial) });
      ensure(status === 401 || status === 403, `the status is ${status}`);
    },
  },
  {
    name: 'ticket.grpc',
    says: 'aerie-ticket in the metadata of Connect is a ticket, good once',
    needs: ['grpcUrl'],
    run: async (trial) => {
      const metadata = { 'aerie-ticket': await bought(trial) };
      const talker = trial.grpc.connect({ metadata });
      await talker.frame('$welcome');
      equal(userOf(talker), userOf(await trial.welcomed()), 'the user');
      hasStatus(await trial.grpc.refused({ metadata }), STATUS.UNAUTHENTICATED);
    },
  },
];

async function bought(trial: Trial): Promise<string> {
  const response = await trial.buyTicket({ authorization: `Bearer ${trial.token(0)}` });
  equal(response.status, 200, 'the status of POST /tickets');
  const { ticket, expiresInMs } = fieldsOf((await response.json()) as unknown);
  ensure(typeof ticket === 'string' && isNumber(expiresInMs), 'no {"ticket", "expiresInMs"}');
  return ticket;
}
