import { ensure, equal, fieldsOf, includes } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { Trial } from '../trial.js';
import { unique } from '../trial.js';

const NONSENSE = 'a.b.c';

export const handshakeRules: readonly Rule[] = [
  {
    name: 'handshake.accepted',
    says: 'a good token in the Authorization header opens a WebSocket',
    run: async (trial) => void (await trial.welcomed()),
  },
  {
    name: 'handshake.extensions',
    says: 'no extension is agreed upon that was not offered, and none that nobody knows',
    run: async (trial) => {
      for (const offered of [undefined, 'x-conformance']) {
        const headers = { 'sec-websocket-extensions': offered };
        const answer = await trial.probe({ token: trial.token(0), headers });
        equal(answer.status, 101, 'the status');
        equal(answer.headers['sec-websocket-extensions'], undefined, 'Sec-WebSocket-Extensions');
      }
    },
  },
  {
    name: 'handshake.unauthenticated',
    says: 'a bad credential is refused with 401, a challenge, and one text whatever is wrong with it',
    run: async (trial) => {
      const nonsense = await refused(trial, { status: 401, token: NONSENSE });
      const forged = await refused(trial, { status: 401, token: tampered(trial.token(0)) });
      includes(fieldsOf(nonsense.body)['error'], { code: 'unauthenticated' }, 'the error');
      ensure(/^bearer/i.test(nonsense.headers['www-authenticate'] ?? ''), 'no WWW-Authenticate: Bearer');
      equal(forged.body, nonsense.body, 'the body of another refusal');
    },
  },
  {
    name: 'handshake.origin',
    says: 'an Origin that is not allowed is refused with 403',
    run: async (trial) => {
      const headers = { origin: 'https://conformance.invalid' };
      await refused(trial, { status: 403, token: trial.token(0), headers });
    },
  },
  {
    name: 'handshake.unknown-path',
    says: 'a path without a gateway is refused with 404',
    run: async (trial) => {
      const url = new URL(`/${unique()}`, trial.target.url).href;
      equal((await trial.probe({ token: trial.token(0) }, url)).status, 404, 'the status');
    },
  },
  {
    name: 'handshake.malformed',
    says: 'an upgrade without a key is refused with 400',
    run: async (trial) => {
      await refused(trial, {
        status: 400,
        token: trial.token(0),
        headers: { 'sec-websocket-key': undefined },
      });
    },
  },
  {
    name: 'handshake.version',
    says: 'another WebSocket version is refused with 426',
    run: async (trial) => {
      await refused(trial, {
        status: 426,
        token: trial.token(0),
        headers: { 'sec-websocket-version': '12' },
      });
    },
  },
  {
    name: 'dry-run.admitted',
    says: 'a plain GET answers 426 where the upgrade would have been accepted',
    run: async (trial) => equal((await trial.dryRun({}, trial.token(0))).status, 426, 'the status'),
  },
  {
    name: 'dry-run.refused',
    says: 'a plain GET answers with the refusal where it would not',
    run: async (trial) => {
      const response = await trial.dryRun({}, NONSENSE);
      equal(response.status, 401, 'the status');
      includes(
        fieldsOf((await response.json()) as unknown)['error'],
        { code: 'unauthenticated' },
        'the error',
      );
    },
  },
];

interface Attempt {
  readonly status: number;
  readonly token: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** The refusal, which has this status and the form of every one. */
async function refused(trial: Trial, { status, ...attempt }: Attempt): ReturnType<Trial['probe']> {
  const answer = await trial.probe(attempt);
  equal(answer.status, status, 'the status');
  const error = fieldsOf(fieldsOf(answer.body)['error']);
  ensure(
    typeof error['code'] === 'string' && typeof error['message'] === 'string',
    'the body is no {"error": {"code", "message"}}',
  );
  return answer;
}

/** The token with another last part, which is a JWT's signature. */
function tampered(token: string): string {
  const signature = token.split('.').at(-1) ?? '';
  const turned = signature.split('').toReversed().join('');
  return `${token.slice(0, token.length - signature.length)}${turned === signature ? `${turned}x` : turned}`;
}
