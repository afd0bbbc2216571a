import { describeRevocationLog } from '../testing/revocation-log.contract.js';
import { MemoryRevocationLog } from './memory-revocation-log.js';

describeRevocationLog(
  'memory',
  async () => ({ node: () => new MemoryRevocationLog(), close: async () => undefined }),
  { shared: false },
);
