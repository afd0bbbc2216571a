import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  type INestApplicationContext,
  type Provider,
  Scope,
  UseGuards,
} from '@nestjs/common';
import { ExternalContextCreator, ModulesContainer } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { MessageBody } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { Refusal } from '../refusal.js';
import { Channel, ChannelName, ChannelParam, OnPublish, OnSubscribe } from './channel.decorator.js';
import type { ChannelRule } from './channel-rule.js';
import { decoratedChannels } from './decorated-channels.js';

@Injectable()
class Memberships {
  has(room: string): boolean {
    return room === '7';
  }
}

@Injectable()
class NotMuted implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToWs().getData<{ muted?: boolean }>()?.muted !== true;
  }
}

@Channel('room:{roomId}', { presence: true })
class RoomChannel {
  constructor(private readonly memberships: Memberships) {}

  @OnSubscribe()
  mayJoin(@ChannelParam('roomId') room: string): boolean {
    return this.memberships.has(room);
  }

  @OnPublish('say')
  @UseGuards(NotMuted)
  say(@MessageBody() body: { text: string }, @ChannelName() channel: string): unknown {
    return body.text === '' ? undefined : { text: body.text, channel };
  }

  @OnPublish('explain')
  explain(): Refusal {
    return new Refusal('conflict', 'not now');
  }

  @OnPublish()
  other(@MessageBody('text') text: string): string {
    return `other ${text}`;
  }
}

@Channel('closed')
class ClosedChannel {}

let context: INestApplicationContext | undefined;
afterEach(async () => {
  await context?.close();
  context = undefined;
});

async function rulesOf(...providers: Provider[]): Promise<readonly ChannelRule[]> {
  const module = await Test.createTestingModule({
    providers: [Memberships, NotMuted, ...providers],
  }).compile();
  context = await module.init();
  return decoratedChannels({
    modules: context.get(ModulesContainer),
    contexts: context.get(ExternalContextCreator),
    clientOf: ({ connection }) => connection,
  });
}

function asker(rule: ChannelRule | undefined, room: string) {
  const { connection } = connect('alice');
  const request = {
    connection,
    session: connection.session,
    channel: `room:${room}`,
    params: { roomId: room },
  };
  return {
    subscribe: async () => rule?.maySubscribe(request),
    publish: async (event: string, data: unknown) => rule?.mayPublish({ ...request, event, data }),
  };
}

describe('a decorated channel', () => {
  it('is a rule with the options of its decorator and the dependencies of its class', async () => {
    const [rule] = await rulesOf(RoomChannel);
    expect(rule).toMatchObject({ pattern: 'room:{roomId}', presence: true });
    await expect(asker(rule, '7').subscribe()).resolves.toBe(true);
    await expect(asker(rule, '8').subscribe()).resolves.toBe(false);
  });

  it('publishes what its method makes of the data; nothing is a no, a refusal is that refusal', async () => {
    const [rule] = await rulesOf(RoomChannel);
    const { publish } = asker(rule, '7');
    await expect(publish('say', { text: 'hi' })).resolves.toEqual({
      data: { text: 'hi', channel: 'room:7' },
    });
    await expect(publish('say', { text: '' })).resolves.toBe(false);
    await expect(publish('explain', {})).resolves.toMatchObject({ code: 'conflict' });
    await expect(publish('anything', { text: 'x' })).resolves.toEqual({ data: 'other x' });
  });

  it('runs the guards of its methods', async () => {
    const [rule] = await rulesOf(RoomChannel);
    await expect(asker(rule, '7').publish('say', { text: 'hi', muted: true })).rejects.toThrow();
  });

  it('lets nobody do what it has no method for', async () => {
    const [rule] = await rulesOf(ClosedChannel);
    await expect(asker(rule, '7').subscribe()).resolves.toBe(false);
    await expect(asker(rule, '7').publish('say', {})).resolves.toBe(false);
  });

  it('cannot be request-scoped', async () => {
    @Channel('scoped')
    class ScopedChannel {}
    Injectable({ scope: Scope.REQUEST })(ScopedChannel);
    await expect(rulesOf(ScopedChannel)).rejects.toThrow('ScopedChannel is request-scoped');
  });

  it('has one method for an event', async () => {
    @Channel('twice')
    class TwiceChannel {
      @OnPublish('say') one(): void {}
      @OnPublish('say') two(): void {}
    }
    await expect(rulesOf(TwiceChannel)).rejects.toThrow('TwiceChannel.two');
  });
});
