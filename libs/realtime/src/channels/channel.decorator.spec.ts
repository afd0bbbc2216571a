import 'reflect-metadata';
import { describe, expect, it } from 'vitest';
import { Refusal } from '../refusal.js';
import { ON_SUBSCRIBE_METADATA, OnSubscribe } from './channel.decorator.js';

// That this compiles is half of the test.
class Rooms {
  @OnSubscribe()
  open(): boolean {
    return true;
  }

  @OnSubscribe()
  async later(): Promise<boolean> {
    return true;
  }

  @OnSubscribe()
  explained(_name: string): true | Refusal {
    return new Refusal('not_found', 'no such room');
  }
}

describe('@OnSubscribe', () => {
  it.each(['open', 'later', 'explained'] as const)('takes %s, whatever verdicts it can return', (method) => {
    expect(Reflect.getMetadata(ON_SUBSCRIBE_METADATA, Rooms.prototype[method])).toBe(true);
  });
});
