import { type OnGatewayInit, WebSocketGateway } from '@nestjs/websockets';
import { ConnectionRegistry } from '@aerie/realtime';
import { openClient } from '@aerie/realtime/testing';
import type { Server } from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenFor } from '../../../../test/support/gateway.js';
import { type NestApp, startNestApp } from '../../../../test/support/nest-app.js';

/** Listens to its server by itself, as gateways of `ws` may, and fails over one of its clients. */
@WebSocketGateway({ path: '/ws' })
class FailingGateway implements OnGatewayInit {
  afterInit(server: Server): void {
    server.on('connection', (client: unknown) => {
      const { session } = client as { session: { user: string } };
      if (session.user === 'mallory') throw new Error('listener');
    });
  }
}

describe('a gateway that throws over a new client', () => {
  let app: NestApp;
  beforeAll(async () => {
    app = await startNestApp({ providers: [FailingGateway] });
  });
  afterAll(() => app.close());

  it('costs that client its connection, and nobody else anything', async () => {
    const alice = await app.connect('alice');
    const mallory = await openClient(app.ws(), { token: tokenFor('mallory') });
    await expect(mallory.closed).resolves.toMatchObject({ code: 1011 });
    await expect(alice.request('$ping')).resolves.toMatchObject({ event: '$pong' });
    expect([...app.get(ConnectionRegistry).all()].map(({ session }) => session.user)).toEqual(['alice']);
  });

  it('does so after a first message too', async () => {
    const mallory = await openClient(app.ws());
    mallory.send('$auth', { token: tokenFor('mallory') });
    await expect(mallory.closed).resolves.toMatchObject({ code: 1011 });
  });
});
