import { describeNodeDirectory } from '../testing/contracts/node-directory.contract.js';
import { MemoryNodeDirectory } from './memory-node-directory.js';

describeNodeDirectory('memory', async () => ({
  directory: new MemoryNodeDirectory(),
  close: async () => undefined,
}));
