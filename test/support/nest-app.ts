import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import type { INestApplication, ModuleMetadata, NestApplicationOptions, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { RealtimeModule, type RealtimeOptions } from '@aerie/realtime';
import {
  openClient,
  probeUpgrade,
  type ProbeOptions,
  type TestClient,
  type UpgradeAnswer,
} from '@aerie/realtime/testing';
import { JWT_SECRET, tokenFor } from './gateway.js';

export type HttpPlatform = 'express' | 'fastify';

export interface NestAppOptions {
  readonly platform?: HttpPlatform;
  /** Default: tokens that `tokenFor` signs. */
  readonly realtime?: Partial<RealtimeOptions>;
  /** What `main.ts` would do between `create` and `listen`. */
  readonly prepare?: (app: INestApplication) => void | Promise<void>;
  readonly nest?: NestApplicationOptions;
}

/** Somebody's Nest application with Aerie in it, listening on a free port of 127.0.0.1. */
export class NestApp {
  readonly #clients: TestClient[] = [];

  constructor(readonly app: INestApplication) {}

  get port(): number {
    const server = this.app.getHttpServer() as Server;
    return (server.address() as AddressInfo).port;
  }

  url(path = '/'): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  ws(path = '/ws'): string {
    return `ws://127.0.0.1:${this.port}${path}`;
  }

  /** A client that has been welcomed. */
  async connect(
    user: string,
    path = '/ws',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TestClient> {
    const client = await openClient(this.ws(path), { token: tokenFor(user), headers });
    this.#clients.push(client);
    await client.frame('$welcome');
    return client;
  }

  /** What the server answers to an upgrade of this user. */
  probe(user: string, path = '/ws', options: ProbeOptions = {}): Promise<UpgradeAnswer> {
    return probeUpgrade(this.ws(path), { token: tokenFor(user), ...options });
  }

  get<Part>(type: Type<Part>): Part {
    return this.app.get(type, { strict: false });
  }

  async close(): Promise<void> {
    await this.app.close();
    for (const client of this.#clients) client.socket.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Aerie as these applications install it: one import. */
export function realtime(options: Partial<RealtimeOptions> = {}): ReturnType<typeof RealtimeModule.forRoot> {
  return RealtimeModule.forRoot({ auth: { jwt: { secret: JWT_SECRET } }, ...options });
}

/** Boots a root module of this shape; `RealtimeModule` is imported. */
export async function startNestApp(
  { imports = [], ...metadata }: ModuleMetadata,
  { platform = 'express', realtime: options = {}, prepare, nest = {} }: NestAppOptions = {},
): Promise<NestApp> {
  class AppModule {}
  const root = { module: AppModule, imports: [realtime(options), ...imports], ...metadata };
  const settings = { logger: false, abortOnError: false, ...nest } as const;
  const app =
    platform === 'fastify'
      ? await NestFactory.create(root, new FastifyAdapter(), settings)
      : await NestFactory.create(root, settings);
  try {
    await prepare?.(app);
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    await app.close();
    throw error;
  }
  return new NestApp(app);
}
