/** A server under test, and what the suite needs to know of it. */
export interface ConformanceTarget {
  /** Where WebSockets go: `ws:` or `wss:`. */
  readonly url: string;
  /** Tokens of two users that nobody else uses: the suite disconnects them. Each is good for as long as the suite runs. */
  readonly tokens: readonly [string, string];
  /**
   * A channel that both may subscribe to and publish any event in, with a history and presence. A `*` in it becomes a name of its own for
   * each test, so that tests don't see each other; the limit on channels is tested only with one. Default `public:*`.
   */
  readonly channel?: string;
  /** One that exists and that the first user may not subscribe to. Default: the second user's own. */
  readonly forbiddenChannel?: string;
  /** One that both may subscribe to and publish in, without a history and without presence; `*` as in `channel`. */
  readonly plainChannel?: string;
  /** The server API, with a key of the scope `admin`: for what only a backend can cause. */
  readonly api?: { readonly url: string; readonly key: string };
  /** What `sse`, `poll`, `send` and `events` are looked for beside. Default: `url`. */
  readonly httpUrl?: string;
  /** Where gRPC is served, as `http://host:50051`, or `https:`. Default: nowhere. */
  readonly grpcUrl?: string;
  /** Where tickets are bought. Default: `/tickets` of the same origin. */
  readonly ticketsUrl?: string;
  /** An event whose handler takes some 500 ms to answer: for what waits behind it. */
  readonly slowEvent?: string;
  /** An event that is answered by a stream of at least two replies. */
  readonly streamEvent?: string;
  /** What the server allows a connection to send at once. Default 200. */
  readonly messagesBurst?: number;
  /** How long an answer may take, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
  /** Rules that are not meant to hold: names, or what they begin with (`presence` for all of them). */
  readonly skip?: readonly string[];
}

/** What some rules need beside a URL and two tokens, and what to say where it is missing. */
const MISSING = {
  api: 'needs the server API',
  grpcUrl: 'needs the address of gRPC',
  plainChannel: 'needs a channel without history and presence',
  manyChannels: 'needs many channels: a * in the channel',
  slowEvent: 'needs an event with a slow handler',
  streamEvent: 'needs an event that is answered by a stream',
} as const;

/** What a rule may need of a target. */
export type Need = keyof typeof MISSING;

export const DEFAULT_CHANNEL = 'public:*';

/** Why a rule that has these needs can't be tested, or is not to be; undefined where it can. */
export function notApplicable(
  rule: { readonly name: string; readonly needs?: readonly Need[] },
  target: ConformanceTarget,
): string | undefined {
  if (target.skip?.some((part) => isPartOf(rule.name, part)) === true) return 'left out by the caller';
  const missing = rule.needs?.find((need) => !has(target, need));
  return missing === undefined ? undefined : MISSING[missing];
}

/** Whether a rule has this name, or one that begins with it: `presence` is part of `presence.join`. */
export function isPartOf(name: string, part: string): boolean {
  return name === part || name.startsWith(`${part}.`);
}

function has(target: ConformanceTarget, need: Need): boolean {
  if (need === 'manyChannels') return (target.channel ?? DEFAULT_CHANNEL).includes('*');
  return target[need] !== undefined;
}
