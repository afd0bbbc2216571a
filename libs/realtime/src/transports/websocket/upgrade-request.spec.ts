import { afterAll, describe, expect, it } from 'vitest';
import { ReceivedRequests } from '../../../../../test/support/received-request.js';
import { malformedUpgrade, selectSubprotocol } from './upgrade-request.js';

const requests = new ReceivedRequests();
afterAll(() => requests.close());

const UPGRADE = [
  'Connection: keep-alive',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];
const without = (name: string): string[] => UPGRADE.filter((line) => !line.startsWith(name));

describe('an upgrade request', () => {
  it.each([
    ['as browsers send it', UPGRADE],
    ['with subprotocols', [...UPGRADE, 'Sec-WebSocket-Protocol: aerie.v1.json, aerie.bearer.e30.e30.x']],
    ['with the upgrade in capitals', [...without('Upgrade'), 'Upgrade: WebSocket']],
    ['that says it has no body', [...UPGRADE, 'Content-Length: 0']],
    ['of version 8', [...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 8']],
  ])('%s is one', async (_name, lines) => {
    expect(malformedUpgrade(await requests.receive('/ws', lines))).toBeUndefined();
  });

  it.each([
    ['no key', without('Sec-WebSocket-Key'), 400],
    ['a short key', [...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: abc'], 400],
    ['another upgrade', [...without('Upgrade'), 'Upgrade: h2c'], 400],
    ['no version', without('Sec-WebSocket-Version'), 426],
    ['a future version', [...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 14'], 426],
    ['a subprotocol twice', [...UPGRADE, 'Sec-WebSocket-Protocol: a, a'], 400],
    ['a subprotocol that is no token', [...UPGRADE, 'Sec-WebSocket-Protocol: a b'], 400],
    ['a body', [...UPGRADE, 'Content-Length: 5'], 400],
    ['a chunked body', [...UPGRADE, 'Transfer-Encoding: chunked'], 400],
  ])('with %s is none', async (_name, lines, status) => {
    expect(malformedUpgrade(await requests.receive('/ws', lines))?.status).toBe(status);
  });

  it('comes by HTTP/1.1', async () => {
    const request = await requests.receive('/ws', UPGRADE);
    request.httpVersionMinor = 0;
    expect(malformedUpgrade(request)?.status).toBe(400);
  });

  it('is a GET', async () => {
    expect(malformedUpgrade(await requests.receive('/ws', UPGRADE, 'POST'))?.status).toBe(400);
  });
});

describe('the subprotocol of the answer', () => {
  it.each([
    [[], false],
    [['aerie.v1.json'], 'aerie.v1.json'],
    [['aerie.bearer.x', 'aerie.v1.json'], 'aerie.v1.json'],
    [['graphql', 'aerie.v1.json'], 'aerie.v1.json'],
    [['aerie.v9.cbor', 'aerie.v1.json'], 'aerie.v1.json'],
    [['aerie.v9.cbor'], false],
    [['aerie.v9.cbor', 'aerie.bearer.x'], false],
    [['aerie.bearer.x', 'chat'], 'chat'],
    [['aerie.bearer.x'], 'aerie.bearer.x'],
    [['AERIE.BEARER.x'], false],
  ])('for %j is %s', (offered, answer) => {
    expect(selectSubprotocol(new Set(offered))).toBe(answer);
  });
});
