import type { IncomingMessage } from 'node:http';
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from '@nestjs/websockets';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { openClient } from '@aerie/realtime/testing';
import { concatMap, delay, from, of } from 'rxjs';
import { WebSocket, type Server } from 'ws';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type HttpPlatform, type NestApp, startNestApp } from './support/nest-app.js';

/** Nothing in it knows of Aerie. */
@WebSocketGateway({ path: '/ws' })
class EchoGateway implements OnGatewayInit, OnGatewayConnection, OnGatewayDisconnect {
  static readonly log: string[] = [];
  @WebSocketServer() readonly server!: Server;

  afterInit(server: Server): void {
    EchoGateway.log.push(`init ${server === this.server}`);
  }

  handleConnection(client: WebSocket, request: IncomingMessage): void {
    EchoGateway.log.push(`in ${request.url} ${client.readyState === client.OPEN}`);
  }

  handleDisconnect(client: WebSocket): void {
    EchoGateway.log.push(`out ${client.readyState === client.CLOSED}`);
  }

  @SubscribeMessage('response')
  response(@MessageBody() data: unknown): { event: string; data: unknown } {
    return { event: 'answered', data };
  }

  @SubscribeMessage('plain')
  plain(@MessageBody('text') text: string): { heard: string } {
    return { heard: text };
  }

  @SubscribeMessage('text')
  text(): string {
    return 'just text';
  }

  @SubscribeMessage('number')
  number(): number {
    return 0;
  }

  @SubscribeMessage('promise')
  async promise(@MessageBody() data: unknown): Promise<{ event: string; data: unknown }> {
    await new Promise((resolve) => setImmediate(resolve));
    return { event: 'later', data };
  }

  @SubscribeMessage('stream')
  stream(): unknown {
    return from([1, 2, 3]).pipe(concatMap((data) => of({ event: 'tick', data }).pipe(delay(5))));
  }

  @SubscribeMessage('nothing')
  nothing(): void {}

  @SubscribeMessage('list')
  list(): unknown[] {
    return [1, 2];
  }

  @SubscribeMessage('to-all')
  toAll(@MessageBody() data: unknown): void {
    for (const client of this.server.clients) client.send(JSON.stringify({ event: 'all', data }));
  }

  @SubscribeMessage('own')
  own(@ConnectedSocket() client: WebSocket): void {
    client.send(JSON.stringify({ event: 'own', data: client.readyState }));
  }

  @SubscribeMessage('event-name')
  eventName(_client: WebSocket, data: unknown): unknown {
    return { event: 'positional', data };
  }
}

/** The heartbeat of `ws`' own documentation, as many gateways have it. */
@WebSocketGateway({ path: '/ws/beating' })
class BeatingGateway implements OnGatewayConnection {
  static readonly heard: string[] = [];

  handleConnection(client: WebSocket): void {
    client.on('pong', () => BeatingGateway.heard.push('pong'));
    client.on('message', (data: Buffer, isBinary: boolean) =>
      BeatingGateway.heard.push(`${data.toString()} ${isBinary}`),
    );
    client.ping();
  }
}

const SENT: readonly (readonly [event: string, data: unknown])[] = [
  ['response', { a: 1 }],
  ['plain', { text: 'hi' }],
  ['text', null],
  ['number', null],
  ['promise', [1]],
  ['stream', null],
  ['nothing', null],
  ['list', null],
  ['own', null],
  ['event-name', 'x'],
  ['to-all', 'end'],
];

/** Every frame up to the one that answers the last message. */
async function conversation(socket: WebSocket): Promise<string[]> {
  const frames: string[] = [];
  socket.on('message', (data: Buffer) => frames.push(data.toString()));
  for (const [event, data] of SENT) {
    socket.send(JSON.stringify({ event, data }));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await vi.waitFor(() => expect(frames.at(-1)).toBe('{"event":"all","data":"end"}'));
  return frames.filter((frame) => !frame.includes('"$welcome"'));
}

async function vanillaConversation(): Promise<string[]> {
  @Module({ providers: [EchoGateway] })
  class VanillaModule {}
  const app = await NestFactory.create(VanillaModule, { logger: false });
  app.useWebSocketAdapter(new WsAdapter(app));
  await app.listen(0, '127.0.0.1');
  const socket = new WebSocket(`${(await app.getUrl()).replace('http', 'ws')}/ws`);
  await new Promise((resolve) => socket.once('open', resolve));
  const frames = await conversation(socket);
  socket.terminate();
  await app.close();
  return frames;
}

describe.each<HttpPlatform>(['express', 'fastify'])('a gateway class of Nest on %s', (platform) => {
  let app: NestApp;
  beforeAll(async () => {
    EchoGateway.log.length = 0;
    app = await startNestApp({ providers: [EchoGateway, BeatingGateway] }, { platform });
  });
  afterAll(() => app.close());

  it("sends what Nest's own ws adapter sends", async () => {
    const client = await app.connect('alice');
    expect(await conversation(client.socket)).toEqual(await vanillaConversation());
    await client.close();
  });

  it('hears of init, connections with their request, and ends', async () => {
    EchoGateway.log.length = 0;
    const client = await app.connect('alice', '/ws?room=7');
    await client.close();
    await vi.waitFor(() => expect(EchoGateway.log).toEqual(['in /ws?room=7 true', 'out true']));
  });

  it('hears pongs and raw messages, where it listens to its clients itself', async () => {
    BeatingGateway.heard.length = 0;
    const client = await app.connect('alice', '/ws/beating');
    client.send('own-protocol', 1);
    await vi.waitFor(() =>
      expect(BeatingGateway.heard).toEqual(['pong', '{"event":"own-protocol","data":1} false']),
    );
    await client.close();
  });

  it('has the registered connections as server.clients', async () => {
    const { server } = app.get(EchoGateway);
    const client = await app.connect('alice');
    const other = await app.connect('bob');
    expect(server.clients.size).toBe(2);
    const waiting = await openClient(app.ws());
    expect(server.clients.size).toBe(2);
    client.send('to-all', 'both');
    expect(await Promise.all([client.frame('all'), other.frame('all')])).toHaveLength(2);
    expect(waiting.received).toEqual([]);
    await Promise.all([client.close(), other.close(), waiting.close()]);
    await vi.waitFor(() => expect(server.clients.size).toBe(0));
  });
});
