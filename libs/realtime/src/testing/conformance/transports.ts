import { MSGPACK_SUBPROTOCOL } from '@aerie/protocol';
import type { ConformanceTarget } from './target.js';
import type { Trial } from './trial.js';

/** A way of talking that a server may have or not. */
export type OptionalTransport = 'compression' | 'msgpack' | 'sse' | 'long-polling' | 'short-polling' | 'send';

const NOT_SERVED = [404, 405, 501];

const FOUND: Readonly<Record<OptionalTransport, (trial: Trial) => Promise<string | undefined>>> = {
  compression: async (trial) => {
    const headers = { 'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits' };
    const answer = await trial.probe({ token: trial.token(0), headers });
    const isPassedOver = answer.status === 101 && answer.headers['sec-websocket-extensions'] === undefined;
    return isPassedOver ? 'the server lacks compression: it passes over permessage-deflate' : undefined;
  },
  msgpack: async (trial) =>
    (await packs(trial)) ? undefined : 'the server lacks MessagePack: it answers in JSON',
  sse: (trial) => pathOf(trial, 'sse', 'server-sent events'),
  'long-polling': (trial) => pathOf(trial, 'poll', 'long polling'),
  'short-polling': (trial) => pathOf(trial, 'events', 'short polling'),
  send: (trial) => pathOf(trial, 'sse', 'server-sent events, beside which one sends'),
};

type Lacks = Map<OptionalTransport, Promise<string | undefined>>;

/** Asked once: what is refused on purpose is enough for a server that counts failures. */
const known = new WeakMap<ConformanceTarget, Lacks>();

/** What a server lacks of some transports; undefined where it has them, or where that is not to be found out. */
export async function lackOf(
  transports: OptionalTransport | readonly OptionalTransport[],
  trial: Trial,
): Promise<string | undefined> {
  const lacks = await Promise.all([transports].flat().map((transport) => lackOfOne(transport, trial)));
  return lacks.find((lack) => lack !== undefined);
}

function lackOfOne(transport: OptionalTransport, trial: Trial): Promise<string | undefined> {
  const lacks: Lacks = known.get(trial.target) ?? new Map();
  known.set(trial.target, lacks);
  const lack = lacks.get(transport) ?? FOUND[transport](trial).catch(() => undefined);
  lacks.set(transport, lack);
  return lack;
}

// A server that does not know the name may echo it all the same, as gateways have names of their own.
async function packs(trial: Trial): Promise<boolean> {
  const offer = { token: trial.token(0), protocols: [MSGPACK_SUBPROTOCOL] };
  const talker = await trial.connect(offer).catch(() => undefined);
  await talker?.frame('$welcome');
  return talker !== undefined && talker.binaryFrames > 0;
}

async function pathOf(
  trial: Trial,
  path: 'sse' | 'poll' | 'events',
  what: string,
): Promise<string | undefined> {
  const { status, body } = await trial.http.ask(path, { token: trial.token(0) });
  await body?.cancel();
  return NOT_SERVED.includes(status)
    ? `the server lacks ${what}: /${path} is answered with ${status}`
    : undefined;
}
