import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { ScriptedServer } from '../../test/scripted-server.js';
import type { Channel } from '../channel.js';
import { RealtimeClient } from '../client.js';
import type { Publication } from '../events.js';
import { history } from './history.js';

interface Events {
  say: { text: string };
  draw: { x: number };
}

const ROOM = 'room:7';

let server: ScriptedServer;
let realtime: RealtimeClient<Events>;
let room: Channel<Events>;

beforeEach(async () => {
  server = await ScriptedServer.start();
  realtime = new RealtimeClient<Events>(server.url);
  room = realtime.channel(ROOM);
});

afterEach(async () => {
  realtime.close();
  await server.stop();
});

function say(text: string, offset: number) {
  return { event: 'say', channel: ROOM, data: { text }, offset };
}

describe('the history of a channel', () => {
  it('is read without a subscription', async () => {
    const page = history(room, { after: 3, limit: 2 });
    const peer = await server.connection();
    const publications = [say('four', 4), say('five', 5)];
    const reply = { channel: ROOM, epoch: 'e', offset: 9, publications };
    expect((await peer.reply('$history', { data: reply })).data).toEqual({
      channel: ROOM,
      after: 3,
      limit: 2,
    });
    expect(await page).toEqual(reply);
    expect(peer.events).toEqual(['$history']);
  });

  it('is the newest publications by default', async () => {
    const page = history(room);
    const peer = await server.connection();
    const reply = { channel: ROOM, epoch: 'e', offset: 0, publications: [] };
    expect((await peer.reply('$history', { data: reply })).data).toEqual({ channel: ROOM });
    expect(await page).toEqual(reply);
  });

  it('rejects with what the server says, and at its signal', async () => {
    const refused = history(room);
    const peer = await server.connection();
    void peer.reply('$history', { error: { code: 'not_found', message: 'no history' } });
    await expect(refused).rejects.toMatchObject({ code: 'not_found' });
    const abort = new AbortController();
    const aborted = history(room, { signal: abort.signal });
    await peer.receive('$history');
    abort.abort('enough');
    await expect(aborted).rejects.toBe('enough');
  });

  it('has the types of the channel’s events', () => {
    expectTypeOf(() => history(room))
      .returns.resolves.toHaveProperty('publications')
      .toEqualTypeOf<readonly Publication<Events>[]>();
  });
});
