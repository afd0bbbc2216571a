import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CProgram } from './c-program.js';
import { type EngineArguments } from './engine.js';
import { CACHE, ROOT } from './root.js';
import type { ServerCommand } from './server-process.js';

const BUN = '@oven/bun-linux-x64';
const BUN_VERSION = '1.4.5';
const SECRET = 'the-benchmark-signs-its-own-tokens-with-this';
const TOKENS = 20_000;
const TOKEN_SECONDS = 86_400;
const UNLIMITED = '1000000';

/** What is published or echoed, around the text that carries the mark. */
export interface Dialect {
  /** How to open, and what to say before the first message: arguments of the generator. */
  readonly opening: EngineArguments;
  readonly subscribe: EngineArguments;
  /** How to subscribe again from where it stood; undefined where that can't be. */
  readonly recover?: EngineArguments;
  publish(text: string): string;
  echo(text: string): string;
}

/** A server to compare with. */
export interface Peer {
  readonly name: string;
  readonly dialect: Dialect;
  /** Channels and publications. */
  readonly server: ServerCommand;
  /** Where echoes are answered by another program. */
  readonly echoServer?: ServerCommand;
  /** Asked only by cases that name it. */
  readonly isVariant?: boolean;
}

const PLAIN: Dialect = {
  opening: [['path', '/ws']],
  subscribe: [
    ['subscribe', '{"event":"subscribe","data":{"channel":"bench:{c}"}}'],
    ['subscribed', '"subscribed"'],
  ],
  publish: (text) => `{"event":"publish","data":{"channel":"bench:{c}","text":"${text}"}}`,
  echo: (text) => `{"event":"echo","data":{"text":"${text}"}}`,
};

const AERIE: Dialect = {
  opening: [
    ['path', '/ws'],
    ['header', 'Authorization: Bearer {token}'],
    ['tokens', join(CACHE, 'tokens')],
    ['expect', '$welcome'],
  ],
  subscribe: [
    ['subscribe', '{"event":"$subscribe","data":{"channel":"bench:{c}"},"id":"s"}'],
    ['subscribed', '"id":"s"'],
  ],
  recover: [
    [
      'recover',
      '{"event":"$subscribe","data":{"channel":"bench:{c}","position":{"epoch":"{epoch}","offset":{offset}}},"id":"s"}',
    ],
    ['recovered', '"recovered":true'],
  ],
  publish: (text) =>
    `{"event":"$publish","data":{"channel":"bench:{c}","event":"say","data":{"text":"${text}"}}}`,
  echo: PLAIN.echo,
};

const SOCKET_IO: Dialect = {
  opening: [
    ['path', '/socket.io/?EIO=4&transport=websocket'],
    ['answer', '2=3'],
    ['send', '40'],
    ['expect', '40{'],
  ],
  subscribe: [
    ['subscribe', '42["subscribe",{"channel":"bench:{c}"}]'],
    ['subscribed', '"subscribed"'],
  ],
  publish: (text) => `42["publish",{"channel":"bench:{c}","text":"${text}"}]`,
  echo: (text) => `42["echo",{"text":"${text}"}]`,
};

export const plainWs: Peer = { name: 'ws', dialect: PLAIN, server: node('apps/loadgen/servers/plain-ws.js') };

export const aerie: Peer = {
  name: 'Aerie',
  dialect: AERIE,
  server: gateway({}),
  echoServer: node('apps/loadgen/servers/aerie-nest.js', { AUTH_JWT_SECRET: SECRET }),
};

/** The same with a history of its channel. */
export const aerieWithHistory: Peer = {
  name: 'Aerie, history',
  dialect: AERIE,
  server: gateway({ history: { size: 1_000, ttlMs: 300_000 } }),
  isVariant: true,
};

export const vanillaNest: Peer = {
  name: 'Nest',
  dialect: PLAIN,
  server: node('apps/loadgen/servers/vanilla-nest.js'),
};

export const socketIo: Peer = {
  name: 'Socket.IO',
  dialect: SOCKET_IO,
  server: node('apps/loadgen/servers/socket-io.js'),
};

/** Undefined, saying why, where its package can't be had. */
export function bun(): Peer | undefined {
  const binary = join(CACHE, 'node_modules', BUN, 'bin/bun');
  if (!existsSync(binary)) fetchBun();
  if (existsSync(binary))
    return {
      name: 'Bun',
      dialect: PLAIN,
      server: { command: [binary, join(ROOT, 'apps/loadgen/servers/bun.mjs')] },
    };
  console.warn(`Bun is left out: ${BUN}@${BUN_VERSION} did not install here.`);
  return undefined;
}

/** Compiled first: the least that a server without joined writes can cost. Throws where no C compiler can be had. */
export function cServer(): Peer {
  const program = new CProgram('c-server', 'servers/native');
  program.compile();
  return { name: 'C', dialect: PLAIN, server: { command: [program.binary] } };
}

/** One token for each connection, as the application would issue them. */
export function writeTokens(): void {
  const exp = Math.floor(Date.now() / 1_000) + TOKEN_SECONDS;
  const tokens = Array.from({ length: TOKENS }, (_, index) => signed({ sub: `user-${index}`, exp }));
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(join(CACHE, 'tokens'), tokens.join('\n'));
}

function signed(claims: Readonly<Record<string, unknown>>): string {
  const parts = [{ alg: 'HS256', typ: 'JWT' }, claims];
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
}

function gateway(rule: object): ServerCommand {
  const open = { pattern: 'bench:{id}', subscribe: 'authenticated', publish: 'authenticated' };
  return node('apps/gateway/main.js', {
    AUTH_JWT_SECRET: SECRET,
    API_KEYS: 'the-key-of-a-benchmark-that-nobody-calls',
    CHANNELS: JSON.stringify({ channels: [{ ...open, ...rule }] }),
    MAX_CONNECTIONS: '100000',
    MESSAGES_PER_SECOND: UNLIMITED,
    MESSAGES_BURST: UNLIMITED,
    LOG_LEVEL: 'warn',
  });
}

function node(script: string, env?: Readonly<Record<string, string>>): ServerCommand {
  const command = [process.execPath, join(ROOT, 'dist', script)];
  return { command, ...(env !== undefined && { env }) };
}

function fetchBun(): void {
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(join(CACHE, 'package.json'), '{"private":true}');
  spawnSync('npm', ['install', '--no-audit', '--no-fund', '--no-save', `${BUN}@${BUN_VERSION}`], {
    cwd: CACHE,
  });
}
