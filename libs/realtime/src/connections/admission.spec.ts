import { describe, expect, it } from 'vitest';
import { Admission } from './admission.js';
import { Descriptors, DescriptorSource } from './descriptors.js';

class Limited extends DescriptorSource {
  constructor(readonly open: number) {
    super();
  }
  limit(): number {
    return 1_000;
  }
  async count(): Promise<number> {
    return this.open;
  }
}

async function doorOf({ connections = 0, maxConnections = 10, open = 0 } = {}): Promise<Admission> {
  const descriptors = new Descriptors(new Limited(open));
  await descriptors.measure();
  return new Admission({ maxConnections, descriptors, connections: () => connections });
}

describe('the door', () => {
  it('lets in as many as there are places, handshakes under way included', async () => {
    const door = await doorOf({ connections: 8 });
    const places = [door.hold(), door.hold()];
    expect([door.pending, door.refuses()]).toEqual([2, 'full']);
    places[0]?.release();
    expect(door.refuses()).toBeUndefined();
    expect((await doorOf({ maxConnections: 1 })).refuses()).toBeUndefined();
  });

  it('takes a place back once, however often it is given back', async () => {
    const door = await doorOf();
    const place = door.hold();
    door.hold();
    place.release();
    place.release();
    expect(door.pending).toBe(1);
  });

  it('still lets people in while it drains, and nobody once it is closed', async () => {
    const door = await doorOf();
    door.beginLameDuck();
    expect([door.state, door.refuses()]).toEqual(['lame-duck', undefined]);
    door.closeDoor();
    door.beginLameDuck();
    expect([door.state, door.refuses()]).toEqual(['closed', 'draining']);
  });

  it('refuses while only the reserve of descriptors is left', async () => {
    expect((await doorOf({ open: 930 })).refuses()).toBeUndefined();
    expect((await doorOf({ open: 936 })).refuses()).toBe('descriptors');
  });

  it('says draining before full, and full before descriptors', async () => {
    const door = await doorOf({ connections: 10, open: 999 });
    expect(door.refuses()).toBe('full');
    door.closeDoor();
    expect(door.refuses()).toBe('draining');
  });

  it('is as full as the fuller of connections and descriptors, and never more than full', async () => {
    expect((await doorOf({ connections: 5 })).saturation).toBe(0.5);
    expect((await doorOf({ connections: 5, open: 936 })).saturation).toBe(1);
    expect((await doorOf({ connections: 25 })).saturation).toBe(1);
  });
});
