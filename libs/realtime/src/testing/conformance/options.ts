import { parseArgs } from 'node:util';
import type { ConformanceTarget } from './target.js';

/** What was asked for on the command line. */
export interface ConformanceOptions {
  readonly target: ConformanceTarget;
  /** One JSON document in place of lines. */
  readonly json: boolean;
  /** Names of rules, or what they begin with; empty: all. */
  readonly only: readonly string[];
}

export const USAGE = `aerie-conformance <ws: or wss: URL> [options]

Tests a server against the rules of Aerie's wire protocol v1, with two users that nobody else uses.

  --token A --token B      the users' tokens; better: AERIE_TOKEN_A and AERIE_TOKEN_B in the environment,
                           which other users of the machine can't read
  --channel NAME           both may subscribe and publish any event, with history and presence; a * in it
                           becomes a name of its own for each test. Default public:*
  --plain-channel NAME     the same without history and presence
  --forbidden-channel NAME one that A may not subscribe to. Default: B's own
  --api URL                the server API, as https://host/api; its key (admin) in AERIE_API_KEY.
                           It broadcasts one event, and disconnects both users
  --http-url URL           what /sse, /poll, /send and /events stand beside. Default: the WebSocket's URL
  --grpc-url URL           where gRPC is served, as http://host:50051, or https:
  --tickets-url URL        default: /tickets of the same host
  --slow-event NAME        its handler takes some 500 ms
  --stream-event NAME      it is answered by a stream
  --messages-burst N       what a connection may send at once. Default 200
  --timeout-ms N           how long an answer may take. Default 5000
  --skip RULE              a rule, or a group of rules (presence), to leave out; again and again
  --only RULE              the other way round
  --json                   machine-readable
  --help

Exit code: 0 if every rule that could be tested holds, 1 if not, 2 if it could not be asked so.
`;

/** The command line can't be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const OPTIONS = {
  token: { type: 'string', multiple: true },
  channel: { type: 'string' },
  'plain-channel': { type: 'string' },
  'forbidden-channel': { type: 'string' },
  api: { type: 'string' },
  'http-url': { type: 'string' },
  'grpc-url': { type: 'string' },
  'tickets-url': { type: 'string' },
  'slow-event': { type: 'string' },
  'stream-event': { type: 'string' },
  'messages-burst': { type: 'string' },
  'timeout-ms': { type: 'string' },
  skip: { type: 'string', multiple: true },
  only: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

type Values = ReturnType<typeof parsed>['values'];
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads a command line and what of the environment stands in for it. Undefined where only help is wanted.
 * @throws UsageError
 */
export function readOptions(
  argv: readonly string[],
  environment: Environment,
): ConformanceOptions | undefined {
  const { values, positionals } = parsed(argv);
  if (values.help === true) return undefined;
  const [url, ...more] = positionals;
  if (url === undefined || more.length > 0) throw new UsageError('one URL, please');
  return {
    target: {
      url: webSocketUrl(url),
      tokens: tokensOf(values, environment),
      ...fieldsOf(values, environment),
    },
    json: values.json === true,
    only: values.only ?? [],
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function webSocketUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^wss?:$/.test(url.protocol)) throw new UsageError('the URL is no ws: or wss: URL');
  return url.href;
}

function tokensOf({ token = [] }: Values, environment: Environment): readonly [string, string] {
  const [a = environment['AERIE_TOKEN_A'], b = environment['AERIE_TOKEN_B']] = token;
  if (!a || !b) throw new UsageError('two tokens, please: AERIE_TOKEN_A and AERIE_TOKEN_B, or --token twice');
  return [a, b];
}

function fieldsOf(values: Values, environment: Environment): Partial<ConformanceTarget> {
  const given = {
    channel: values.channel,
    plainChannel: values['plain-channel'],
    forbiddenChannel: values['forbidden-channel'],
    api: apiOf(values.api, environment),
    httpUrl: httpUrlOf('http-url', values['http-url']),
    grpcUrl: httpUrlOf('grpc-url', values['grpc-url']),
    ticketsUrl: httpUrlOf('tickets-url', values['tickets-url']),
    slowEvent: values['slow-event'],
    streamEvent: values['stream-event'],
    messagesBurst: numberOf('messages-burst', values['messages-burst']),
    timeoutMs: numberOf('timeout-ms', values['timeout-ms']),
    skip: values.skip,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function apiOf(text: string | undefined, environment: Environment): ConformanceTarget['api'] | undefined {
  const url = httpUrlOf('api', text);
  if (url === undefined) return undefined;
  const key = environment['AERIE_API_KEY'];
  if (!key) throw new UsageError('the server API needs its key in AERIE_API_KEY');
  return { url, key };
}

function httpUrlOf(name: string, text: string | undefined): string | undefined {
  if (text !== undefined && !/^https?:$/.test(URL.parse(text)?.protocol ?? ''))
    throw new UsageError(`--${name} is an http: or https: URL`);
  return text;
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number <= 0) throw new UsageError(`--${name} is a number from 1 on`);
  return number;
}
