import {
  CONTRACT_CLAIM_MS,
  describeSessionRegistry,
} from '../testing/contracts/session-registry.contract.js';
import { MemorySessionRegistry } from './memory-session-registry.js';

describeSessionRegistry('memory', async () => ({
  registry: new MemorySessionRegistry({ claimMs: CONTRACT_CLAIM_MS }),
  now: async () => Date.now(),
  close: async () => undefined,
}));
