import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { JwtService } from '@nestjs/jwt';
import { NestFactory } from '@nestjs/core';
import type { INestApplication } from '@nestjs/common';
import { WebSocket } from 'ws';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readEnv } from './env.js';
import { GatewayModule } from './gateway.module.js';

const JWT_SECRET = 'a-secret-of-this-spec-32-bytes-long';

let backend: Server;
let gateway: INestApplication;
let client: WebSocket;
let asked: Record<string, unknown>[];

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

beforeEach(async () => {
  asked = [];
  backend = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      asked.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
      response.end('{"allow":true,"data":{"tracking":true}}');
    });
  }).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const env = readEnv({
    PORT: '0',
    AUTH_JWT_SECRET: JWT_SECRET,
    HOOKS_URL: `http://127.0.0.1:${portOf(backend)}/`,
    HOOKS_SECRET: 'the-hooks-secret',
  });
  gateway = await NestFactory.create(GatewayModule.for(env), { logger: false, forceCloseConnections: true });
  await gateway.listen(0, '127.0.0.1');
  const token = new JwtService({ secret: JWT_SECRET }).sign({ sub: 'alice' }, { expiresIn: 60 });
  client = new WebSocket(`ws://127.0.0.1:${portOf(gateway.getHttpServer() as Server)}/ws`, {
    headers: { authorization: `Bearer ${token}` },
  });
  await once(client, 'message');
});

afterEach(async () => {
  client.terminate();
  await gateway.close();
  backend.closeAllConnections();
  await new Promise((resolve) => backend.close(resolve));
});

describe('the end of a connection', () => {
  it('is told to the disconnect hook, and nothing else without being asked for', async () => {
    client.close(1000);
    await vi.waitFor(() => expect(asked.map(({ hook }) => hook)).toEqual(['connect', 'disconnect']), 5_000);
    expect(asked[1]).toMatchObject({ user: 'alice', code: 1000, connection: expect.any(String) as string });
  });
});

describe('a message that no handler takes', () => {
  it('is asked of the backend by its event and data, and answered with what it says', async () => {
    client.send('{"id":1,"event":"order.track","data":{"id":"7"}}');
    const [frame] = (await once(client, 'message')) as [Buffer];
    expect(JSON.parse(frame.toString())).toEqual({ id: 1, data: { tracking: true } });
    expect(asked.find(({ hook }) => hook === 'message')).toMatchObject({
      user: 'alice',
      event: 'order.track',
      data: { id: '7' },
    });
  });
});
