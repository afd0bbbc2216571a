import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayDisconnect,
  SubscribeMessage,
  WebSocketGateway,
} from '@nestjs/websockets';
import type { WebSocket } from 'ws';
import { EchoGateway } from './echo.gateway.js';

// Nest's own `ws` adapter, with the channels that an application would write for itself. No authentication.

interface Publication {
  readonly channel: string;
  readonly text: string;
}

@WebSocketGateway({ path: '/ws' })
class ChannelsGateway implements OnGatewayDisconnect {
  readonly #members = new Map<string, Set<WebSocket>>();
  readonly #joined = new WeakMap<WebSocket, Set<string>>();

  @SubscribeMessage('subscribe')
  subscribe(@ConnectedSocket() client: WebSocket, @MessageBody() { channel }: Publication): unknown {
    const members = this.#members.get(channel) ?? new Set();
    this.#members.set(channel, members.add(client));
    const joined = this.#joined.get(client) ?? new Set();
    this.#joined.set(client, joined.add(channel));
    return { event: 'subscribed', data: { channel } };
  }

  @SubscribeMessage('publish')
  publish(@MessageBody() { channel, text }: Publication): void {
    const frame = JSON.stringify({ event: 'say', channel, data: { text } });
    for (const member of this.#members.get(channel) ?? []) member.send(frame);
  }

  handleDisconnect(client: WebSocket): void {
    for (const channel of this.#joined.get(client) ?? []) this.#members.get(channel)?.delete(client);
  }
}

@Module({ providers: [ChannelsGateway, EchoGateway] })
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: false });
app.useWebSocketAdapter(new WsAdapter(app));
await app.listen(Number(process.env['PORT']), '127.0.0.1');
