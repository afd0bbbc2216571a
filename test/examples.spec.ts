import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openClient, type TestClient } from '@aerie/realtime/testing';
import { ensurePythonWithWebSockets } from '../scripts/python-websockets.mjs';
import { endWithSpec } from './support/ending.js';
import { freePort } from './support/free-port.js';
import { type RunningGateway, startGateway } from './support/gateway.js';
import { type ProxyMode, startTcpProxy, type TcpProxy } from './support/tcp-proxy.js';

const EXAMPLES = fileURLToPath(new URL('../examples/', import.meta.url));
const WAIT = { timeout: 20_000, interval: 20 };

/** As `npm start` has it on a machine where nothing is configured. */
const UNCONFIGURED = { NODE_ENV: '', AUTH_JWT_SECRET: '', AUTH_COOKIE_NAME: '', API_KEYS: '' };

let gateway: RunningGateway;
let proxy: TcpProxy;
let grpcProxy: TcpProxy;
let speaker: TestClient;

beforeAll(async () => {
  const grpcPort = await freePort();
  gateway = await startGateway({ ...UNCONFIGURED, GRPC_PORT: String(grpcPort) });
  [proxy, grpcProxy] = await Promise.all([startTcpProxy(gateway.port), startTcpProxy(grpcPort)]);
  speaker = await openClient(gateway.ws(), { token: await devToken('speaker') });
  await speaker.frame('$welcome');
});
afterAll(async () => {
  speaker?.socket.terminate();
  await Promise.all([proxy?.close(), grpcProxy?.close()]);
  await gateway?.stop();
});

interface Example {
  readonly command: (url: string, channel: string) => readonly string[];
  readonly connected: RegExp;
  /** What it prints of a publication. */
  readonly counts: RegExp;
}

const PROGRAMS: Readonly<Record<string, Example>> = {
  'examples/python': {
    command: (url, channel) => [
      ensurePythonWithWebSockets(),
      `${EXAMPLES}python/client.py`,
      '--url',
      url,
      '--channel',
      channel,
    ],
    connected: /^connected as python$/m,
    counts: /^say (\d+)$/gm,
  },
  'examples/node-service': {
    command: (_url, channel) => [process.execPath, `${EXAMPLES}node-service/follow.mjs`, channel],
    connected: /^say {"text":"node is here"}$/m,
    counts: /^say (\d+)$/gm,
  },
  'examples/grpc': {
    command: (_url, channel) => [process.execPath, `${EXAMPLES}grpc/client.mjs`, channel],
    connected: /^connected as grpc$/m,
    counts: /^say (\d+)$/gm,
  },
  'examples/curl': {
    command: (_url, channel) => [`${EXAMPLES}curl/sse.sh`, channel],
    connected: /\$subscribed/,
    counts: /"event":"say".*"data":(\d+)/g,
  },
  'examples/curl/events': {
    command: (_url, channel) => [`${EXAMPLES}curl/events.sh`, channel],
    connected: /"epoch"/,
    counts: /"data":(\d+)/g,
  },
};

describe.each(Object.entries(PROGRAMS))('%s', (name, { command, connected, counts }) => {
  it('follows a channel, goes on without loss after its connection was cut, and ends with 0', async () => {
    const channel = `public:${name.replaceAll('/', '-')}`;
    const url = `http://127.0.0.1:${proxy.port}`;
    const [file = '', ...args] = command(url, channel);
    const addresses = { AERIE_URL: url, AERIE_GRPC: `127.0.0.1:${grpcProxy.port}` };
    const env = { ...process.env, ...addresses, AERIE_EVERY: '0.1' };
    const child = spawn(file, args, { env, stdio: 'pipe' });
    const exited = once(child, 'exit');
    let output = '';
    let faults = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (faults += text));
    const seen = (): number[] => [...output.matchAll(counts)].map(([, count]) => Number(count));
    try {
      await vi.waitFor(() => expect(output, faults).toMatch(connected), WAIT);
      await say(channel, 1, 2);
      await vi.waitFor(() => expect(seen(), output + faults).toEqual([1, 2]), WAIT);
      setMode('cut');
      await vi.waitFor(async () => expect(await connections()).toBe(1), WAIT);
      await say(channel, 3, 4);
      setMode('pass');
      await vi.waitFor(() => expect(seen(), output + faults).toEqual([1, 2, 3, 4]), WAIT);
      await say(channel, 5);
      await vi.waitFor(() => expect(seen(), output + faults).toEqual([1, 2, 3, 4, 5]), WAIT);
      child.kill('SIGTERM');
      expect(await exited, output + faults).toEqual([0, null]);
      expect(output).not.toMatch(/are lost/);
    } finally {
      setMode('pass');
      child.kill('SIGKILL');
    }
  });
});

describe('examples/curl', () => {
  it.each(['sse.sh', 'events.sh'])('%s ends with 1 where its token is refused', async (script) => {
    const { exited } = run(script, 'public:refused', { AERIE_TOKEN: 'nonsense' });
    expect(await exited).toEqual([1, null]);
  });

  it('sse.sh ends with 1 where it is closed for good', async () => {
    const { child, exited } = run('sse.sh', 'public:closed', { AERIE_TOKEN: await devToken('closed') });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await vi.waitFor(() => expect(output).toMatch(/\$subscribed/), WAIT);
    const [, connection = ''] = /"connection":"([^"]+)"/.exec(output) ?? [];
    // A session of somebody else.
    await fetch(`${gateway.url}/send`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await devToken('closed')}`,
        'aerie-connection': connection,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ messages: [{ event: '$auth', data: { token: await devToken('another') } }] }),
    });
    expect(await exited, output).toEqual([1, null]);
  });

  it.each(['sse.sh', 'events.sh'])(
    '%s follows a channel whose name means something in a URL',
    async (script) => {
      const channel = 'public:a%40b+c';
      const { child, exited } = run(script, channel);
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
      await vi.waitFor(() => expect(output).toContain(`"channel":"${channel}","epoch"`), WAIT);
      child.kill('SIGTERM');
      expect(await exited, output).toEqual([0, null]);
    },
  );
});

describe('examples/wscat', () => {
  it('follows a channel by hand, and comes back to it without loss', async () => {
    const page = readFileSync(`${EXAMPLES}wscat/README.md`, 'utf8');
    const [subscribe = '', , comeBack = ''] = [...page.matchAll(/^```sh\n(.*?)\n```$/gms)].map(
      ([, text]) => text,
    );
    const [token = ''] = subscribe.split('npx');
    const first = byHand(subscribe);
    await vi.waitFor(() => expect(first.output()).toMatch(/"id":1,/), WAIT);
    await say('public:lobby', 'wscat 1');
    await vi.waitFor(() => expect(first.output()).toContain('"wscat 1"'), WAIT);
    const [, epoch = ''] = /"epoch":"([^"]+)"/.exec(first.output()) ?? [];
    const [, offset = ''] = /"wscat 1".*"offset":(\d+)/.exec(first.output()) ?? [];
    await first.end();
    await say('public:lobby', 'wscat 2');
    const second = byHand(token + comeBack, { EPOCH: epoch, OFFSET: offset });
    await vi.waitFor(() => expect(second.output()).toMatch(/"recovered":true.*"wscat 2"/), WAIT);
    expect(second.output()).not.toContain('"wscat 1"');
    await second.end();
  });
});

/** What somebody has typed into a shell, with the address of this gateway. */
function byHand(text: string, env: Readonly<Record<string, string>> = {}) {
  const child = spawn('sh', ['-c', text.replaceAll('localhost:3000', `127.0.0.1:${gateway.port}`)], {
    cwd: EXAMPLES,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  endWithSpec(child);
  const exited = once(child, 'exit');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (output += more));
  const end = (): Promise<unknown> => {
    child.stdin.end();
    return exited;
  };
  return { output: () => output, end };
}

function run(script: string, channel: string, env: Readonly<Record<string, string>> = {}) {
  const child = spawn(`${EXAMPLES}curl/${script}`, [channel], {
    env: { ...process.env, AERIE_URL: gateway.url, AERIE_EVERY: '0.1', ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  endWithSpec(child);
  return { child, exited: once(child, 'exit') };
}

function setMode(mode: ProxyMode): void {
  for (const one of [proxy, grpcProxy]) one.setMode(mode);
}

async function say(channel: string, ...data: unknown[]): Promise<void> {
  for (const datum of data) {
    const reply = await speaker.request('$publish', { channel, event: 'say', data: datum });
    expect(reply.error).toBeUndefined();
  }
}

async function devToken(user: string): Promise<string> {
  const response = await fetch(`${gateway.url}/dev/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user }),
  });
  return ((await response.json()) as { token: string }).token;
}

/** Of every transport, by the metrics, which need no key in dev mode. */
async function connections(): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const counts = [...text.matchAll(/^aerie_connections(?:{[^}]*})? (\d+)$/gm)].map(([, count]) =>
    Number(count),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
