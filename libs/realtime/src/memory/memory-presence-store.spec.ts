import { describePresenceStore } from '../testing/contracts/presence-store.contract.js';
import { MemoryBackplane } from './memory-backplane.js';
import { MemoryHub } from './memory-hub.js';
import { MemoryPresenceStore } from './memory-presence-store.js';

describePresenceStore('memory', async () => {
  const hub = new MemoryHub();
  return {
    store: new MemoryPresenceStore(hub),
    backplane: new MemoryBackplane(hub),
    now: async () => Date.now(),
    close: async () => undefined,
  };
});
