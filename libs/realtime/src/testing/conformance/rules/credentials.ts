import { BEARER_SUBPROTOCOL_PREFIX, JSON_SUBPROTOCOL } from '@aerie/protocol';
import { ensure, equal } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { Trial } from '../trial.js';
import type { ProbeOptions } from '../../upgrade-probe.js';

const MAX_CREDENTIAL_BYTES = 8 * 1024;
const QUERY_TOKEN_SECONDS = 60;

export const credentialRules: readonly Rule[] = [
  {
    name: 'subprotocol.selected',
    says: 'aerie.v1.json is answered where it is offered, whatever else is',
    run: async (trial) => {
      equal(
        await selected(trial, { token: trial.token(0), protocols: [JSON_SUBPROTOCOL] }),
        JSON_SUBPROTOCOL,
        'the subprotocol',
      );
      equal(
        await selected(trial, { token: trial.token(0), protocols: ['other', JSON_SUBPROTOCOL] }),
        JSON_SUBPROTOCOL,
        'the subprotocol',
      );
    },
  },
  {
    name: 'subprotocol.none',
    says: 'a client that offers none gets none, and the same protocol',
    run: async (trial) => {
      equal(await selected(trial, { token: trial.token(0) }), undefined, 'the subprotocol');
      const talker = await trial.welcomed();
      equal((await talker.request('$ping')).event, '$pong', 'the answer to $ping');
    },
  },
  {
    name: 'subprotocol.other',
    says: 'of other names the first is echoed',
    run: async (trial) => {
      const offered = { token: trial.token(0), protocols: ['one', 'two'] };
      equal(await selected(trial, offered), 'one', 'the subprotocol');
    },
  },
  {
    name: 'subprotocol.bearer',
    says: 'aerie.bearer.<token> is a credential, and is not echoed where something else was offered',
    run: async (trial) => {
      const bearer = BEARER_SUBPROTOCOL_PREFIX + trial.token(0);
      equal(
        await selected(trial, { protocols: [JSON_SUBPROTOCOL, bearer] }),
        JSON_SUBPROTOCOL,
        'the subprotocol',
      );
      equal(await selected(trial, { protocols: [bearer, 'other'] }), 'other', 'the subprotocol');
    },
  },
  {
    name: 'subprotocol.bearer-alone',
    says: 'aerie.bearer.<token> is echoed where nothing else was offered, as browsers insist on one',
    run: async (trial) => {
      const bearer = BEARER_SUBPROTOCOL_PREFIX + trial.token(0);
      equal(await selected(trial, { protocols: [bearer] }), bearer, 'the subprotocol');
    },
  },
  {
    name: 'credentials.first-decides',
    says: 'the first place that has a credential decides: a bad one is refused even if a good one stands further down',
    run: async (trial) => {
      const good = BEARER_SUBPROTOCOL_PREFIX + trial.token(0);
      equal(
        (await trial.probe({ token: 'a.b.c', protocols: [JSON_SUBPROTOCOL, good] })).status,
        401,
        'the status',
      );
    },
  },
  {
    name: 'credentials.twice',
    says: 'a credential that comes twice is refused',
    run: async (trial) => {
      const bearer = `Bearer ${trial.token(0)}`;
      const { status } = await trial.probe({ headers: { authorization: [bearer, bearer] } });
      // A proxy may know already that there is something wrong.
      ensure([400, 401].includes(status), `the status is ${status}, not 401`);
    },
  },
  {
    name: 'credentials.size',
    says: 'a credential of more than 8 KiB is refused',
    run: async (trial) => {
      const { status } = await trial.probe({ token: 'x'.repeat(MAX_CREDENTIAL_BYTES + 1) });
      ensure([401, 431].includes(status), `the status is ${status}, not 401`);
    },
  },
  {
    name: 'credentials.query-token',
    says: 'a token in the query is taken only if it lives at most 60 s',
    run: async (trial) => {
      const token = trial.token(0);
      const { status } = await trial.probe({}, trial.urlWith({ token }));
      equal(status, isShortLived(token) ? 101 : 401, 'the status');
    },
  },
  {
    name: 'credentials.not-echoed',
    says: 'no answer holds the credential of the request, the echo of a lone aerie.bearer.<token> excepted',
    run: async (trial) => {
      const secret = 'conformance-secret.b.c';
      const bearer = BEARER_SUBPROTOCOL_PREFIX + secret;
      const answers = [
        await trial.probe({ token: secret }),
        await trial.probe({ protocols: [JSON_SUBPROTOCOL, bearer] }),
        await trial.probe({}, trial.urlWith({ token: secret })),
        await trial.probe({ protocols: [JSON_SUBPROTOCOL, BEARER_SUBPROTOCOL_PREFIX + trial.token(0)] }),
      ];
      const said = JSON.stringify(answers);
      ensure(!said.includes(secret) && !said.includes(trial.token(0)), 'an answer holds the credential');
    },
  },
];

/** The subprotocol that the server answers with, having accepted. */
async function selected(trial: Trial, options: ProbeOptions): Promise<string | undefined> {
  const { status, headers } = await trial.probe(options);
  equal(status, 101, 'the status');
  return headers['sec-websocket-protocol'];
}

function isShortLived(token: string): boolean {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      exp: number;
      iat: number;
    };
    return claims.exp - claims.iat <= QUERY_TOKEN_SECONDS;
  } catch {
    return false;
  }
}
