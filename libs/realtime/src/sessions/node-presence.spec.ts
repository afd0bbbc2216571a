import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Descriptors } from '../connections/descriptors.js';
import { NodeDirectory, type NodeInfo } from './node-directory.js';
import { NodePresence } from './node-presence.js';

class Directory extends NodeDirectory {
  readonly entries = new Map<string, NodeInfo>();
  announced = 0;

  override async announce(info: NodeInfo): Promise<void> {
    this.announced += 1;
    this.entries.set(info.node, info);
  }
  override async list(): Promise<readonly NodeInfo[]> {
    return [...this.entries.values()];
  }
  override async withdraw(): Promise<void> {
    this.entries.delete('n1');
  }
}

function setUp() {
  const registry = new ConnectionRegistry();
  const directory = new Directory();
  const admission = new Admission({
    maxConnections: 10,
    descriptors: new Descriptors(),
    connections: () => registry.size,
  });
  const presence = new NodePresence({ node: 'n1', directory, registry, admission });
  return { registry, directory, admission, presence };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a node's entry in the directory", () => {
  it('is announced at start, renewed every 3 s and withdrawn at the stop', async () => {
    const { presence, directory } = setUp();
    await presence.start();
    expect(directory.announced).toBe(1);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(directory.announced).toBe(4);
    await presence.stop();
    expect([directory.entries.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('tells of itself as it is now, and of the others as they said', async () => {
    const { presence, directory, registry, admission } = setUp();
    const other: NodeInfo = { node: 'n2', connections: 3, users: 2, startedAt: 1, draining: false };
    await directory.announce(other);
    await presence.start();
    registry.add(connect('alice').connection);
    registry.add(connect('alice').connection);
    admission.beginLameDuck();
    await expect(presence.nodes()).resolves.toEqual([
      { node: 'n1', connections: 2, users: 1, startedAt: expect.any(Number) as number, draining: true },
      other,
    ]);
    await presence.stop();
  });
});
