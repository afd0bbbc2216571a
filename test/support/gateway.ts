import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endWithSpec } from './ending.js';
import { freePort } from './free-port.js';
import { type Claims, JWT_SECRET } from './tokens.js';

export { type Claims, JWT_SECRET, nowSeconds, signJwt, tokenFor } from './tokens.js';

const MAIN = fileURLToPath(new URL('../../apps/gateway/main.ts', import.meta.url));
const SOURCES = fileURLToPath(new URL('typescript-sources.mjs', import.meta.url));
const INSIDE = fileURLToPath(new URL('inside.mjs', import.meta.url));
const BOOT_MS = 30_000;
const BOOT_ATTEMPTS = 3;
const NODE_ARGUMENTS = ['--conditions=@aerie/source', '--expose-gc', '--import', SOURCES, '--import', INSIDE];

/** Names of the environment that would make a gateway of a test another one than the test wants. */
const FOREIGN = /^(AUTH_|API_KEYS|CHANNELS|HOOKS_|REDIS_|PORT$|HOST$|NODE_ENV|DEV$)/;

export const API_KEY = 'an-api-key-of-the-tests-alone';
/** The standalone gateway in a process of its own, from its sources, as in production. */
export class RunningGateway {
  /** All that it has said so far, on either stream. */
  log = '';

  constructor(
    readonly child: ChildProcess,
    readonly port: number,
    readonly internalPort: number,
  ) {
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.log += text));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Where WebSockets go, a query string included. */
  ws(query = ''): string {
    return `ws://127.0.0.1:${this.port}/ws${query}`;
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The lines about handshakes. */
  get handshakes(): readonly Claims[] {
    const lines = this.log.split('\n').filter((line) => line.includes('"AerieHandshake"'));
    return lines.map((line) => JSON.parse(line) as Claims);
  }

  /** Calls the server API. */
  async api(path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.url}/api/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return response.status === 204 ? undefined : response.json();
  }

  /** A fresh ticket for the owner of a token. */
  async ticket(token: string): Promise<string> {
    const response = await fetch(`${this.url}/tickets`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{}',
    });
    const { ticket } = (await response.json()) as { ticket: string };
    return ticket;
  }

  /** One gauge or counter by its full name, labels included where it has some. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`${this.url}/metrics`, { headers: { authorization: `Bearer ${API_KEY}` } });
    const line = (await response.text()).split('\n').find((text) => text.startsWith(`${name} `));
    return Number(line?.split(' ').at(-1));
  }

  /** How many connections are registered, as the server API says. */
  async connections(): Promise<number> {
    const { connections } = (await this.api('info')) as { connections: number };
    return connections;
  }

  /** Ends it without a drain. */
  async stop(): Promise<void> {
    if (!this.isAlive) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

export interface GatewayLimits {
  /** The most descriptors that the process may have (`ulimit -n`). Default: as many as the test itself. */
  readonly descriptors?: number;
}

/** Starts a gateway with this environment on top of the tests' own; resolves once it is ready. It ends with the spec file at the latest. */
export async function startGateway(
  env: Readonly<Record<string, string>> = {},
  limits: GatewayLimits = {},
): Promise<RunningGateway> {
  for (let attempt = 1; ; attempt += 1) {
    const gateway = await spawnGateway(env, limits);
    const fault = await untilReady(gateway);
    if (fault === undefined) return gateway;
    // A port that was free may be somebody's a moment later.
    if (attempt === BOOT_ATTEMPTS || !fault.includes('EADDRINUSE'))
      throw new Error(`the gateway did not become ready:\n${fault}`);
  }
}

async function spawnGateway(
  env: Readonly<Record<string, string>>,
  { descriptors }: GatewayLimits,
): Promise<RunningGateway> {
  const [port, internalPort] = [await freePort(), await freePort()];
  const inherited = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
  const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors} && `;
  const child = spawn('sh', ['-c', `${limit}exec "$@"`, 'sh', process.execPath, ...NODE_ARGUMENTS, MAIN], {
    env: {
      ...Object.fromEntries(inherited),
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      INTERNAL_PORT: String(internalPort),
      AUTH_JWT_SECRET: JWT_SECRET,
      AUTH_COOKIE_NAME: 'session',
      API_KEYS: API_KEY,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  endWithSpec(child);
  return new RunningGateway(child, port, internalPort);
}

/** Undefined once it is ready; else its log, and it is stopped. */
async function untilReady(gateway: RunningGateway): Promise<string | undefined> {
  const deadline = Date.now() + BOOT_MS;
  while (Date.now() < deadline && gateway.isAlive) {
    const response = await fetch(`${gateway.url}/health/ready`).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.ok) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await gateway.stop();
  return gateway.log;
}

/** An IPv4 address that no other test has, for gateways that trust `X-Forwarded-For` from loopback. */
export function someAddress(): string {
  const [a = 0, b = 0, c = 0] = randomBytes(3);
  return `11.${a}.${b}.${c}`;
}
