import { SYSTEM } from '@aerie/protocol';
import { describe, expect, it, vi } from 'vitest';
import type { Connection } from '../connections/connection.js';
import { Refusal } from '../refusal.js';
import { SystemHandlers } from '../messages/message-handlers.js';
import type { NodeChannels } from '../publishing/node-channels.js';
import type { Publisher } from '../publishing/publisher.js';
import { ChannelAccess } from './channel-access.js';
import { ChannelMessages } from './channel-messages.js';
import { ChannelRules } from './channel-rules.js';

function unsubscribe(channel: string): { reply: unknown; left: ReturnType<typeof vi.fn> } {
  const left = vi.fn<() => boolean>(() => true);
  const handlers = new SystemHandlers();
  const channels = { leave: left } as Partial<NodeChannels> as NodeChannels;
  const publisher = {} as Publisher;
  new ChannelMessages({ access: new ChannelAccess(new ChannelRules()), channels, publisher }).register(
    handlers,
  );
  const connection = {
    session: { user: 'ann', claims: {} },
    channels: new Set([channel]),
  } as Partial<Connection>;
  const reply = handlers.get(SYSTEM.unsubscribe)?.(connection as Connection, {
    event: SYSTEM.unsubscribe,
    data: { channel },
  });
  return { reply, left };
}

describe('$unsubscribe', () => {
  it('leaves a channel', () => {
    const { reply, left } = unsubscribe('room:7');
    expect(reply).toEqual({ channel: 'room:7' });
    expect(left).toHaveBeenCalledOnce();
  });

  it("refuses to leave the user's own channel: it could no longer be reached", () => {
    const { reply, left } = unsubscribe('user:ann');
    expect(reply).toBeInstanceOf(Refusal);
    expect(left).not.toHaveBeenCalled();
  });
});
