import { describeRevocationLog } from '../testing/contracts/revocation-log.contract.js';
import { MemoryRevocationLog } from './memory-revocation-log.js';

describeRevocationLog(
  'memory',
  async () => ({ node: () => new MemoryRevocationLog(), close: async () => undefined }),
  { shared: false },
);
