export type { FramePredicate, ReceivedFrame } from './frame-queue.js';
export {
  type ClosedWith,
  openClient,
  TestClient,
  type TestClientOptions,
  UpgradeRefused,
} from './test-client.js';
export { type ProbeOptions, probeUpgrade, type UpgradeAnswer, upgradeRequest } from './upgrade-probe.js';
