import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { FakeWire } from '../../../../test/support/fake-wire.js';
import { ReceivedRequests } from '../../../../test/support/received-request.js';
import type { HandshakeRequest } from '../handshake/authenticator.js';
import { prepareRequest } from '../handshake/handshake-request.js';
import { type GuardSources, HandshakeGuards } from '../handshake/handshake-guards.js';
import { PathPattern } from '../handshake/path-pattern.js';
import { ClientFacade } from './client-facade.js';
import { Endpoint } from './websocket/endpoint.js';
import { Framings } from './websocket/framings.js';

const ENDPOINT = new Endpoint({
  path: new PathPattern('/ws'),
  httpServer: createServer(),
  guards: new HandshakeGuards([], {} as GuardSources),
  gateways: [],
  methods: new Map(),
  maxFrameBytes: 1_000,
  framings: new Framings(),
});
const requests = new ReceivedRequests();
let request: HandshakeRequest;
beforeAll(async () => {
  const bare = await requests.receive('/ws?room=7', ['Cookie: a=1']);
  request = prepareRequest(bare, { ip: '192.0.2.1', params: { tenant: 'acme' }, transport: 'websocket' }, {});
});
afterAll(() => requests.close());

function clientOver(wire = new FakeWire()) {
  const { connection } = connect('alice', { wire });
  return {
    client: new ClientFacade({ connection, request, endpoint: ENDPOINT, addressGroup: '192.0.2.1' }),
    connection,
    wire,
  };
}

describe("a gateway's client", () => {
  it('carries what the handshake found out', () => {
    const { client } = clientOver();
    expect(client).toMatchObject({
      ip: '192.0.2.1',
      params: { tenant: 'acme' },
      query: { room: '7' },
      cookies: { a: '1' },
      session: { user: 'alice' },
      readyState: 1,
    });
  });

  it('closes with the code and reason of the application', () => {
    const { client, wire } = clientOver();
    client.close(4321, 'game over');
    expect(wire.goodbyes).toEqual([{ code: 4321, reason: 'game over' }]);
    expect(client.readyState).toBe(2);
  });

  it.each([
    [0, ''],
    [999, ''],
    [1005, ''],
    [1006, ''],
    [2000, ''],
    [5000, ''],
    [4000.5, ''],
    [4000, 'ü'.repeat(62)],
  ])(
    'refuses a code or reason that cannot travel, at once and not when the outbox is empty: %d',
    (code, reason) => {
      const { client, connection } = clientOver(new FakeWire(0));
      client.send('x'.repeat(100_000));
      expect(() => client.close(code, reason)).toThrow(/close code|close reason/);
      expect(connection.isOpen).toBe(true);
    },
  );

  it('says that it is closed where something is sent too late', () => {
    const { client, connection } = clientOver();
    connection.ended();
    let failure: Error | undefined;
    client.send('late', (error) => {
      failure = error;
    });
    expect(failure?.message).toBe('the connection is closed');
  });
});
