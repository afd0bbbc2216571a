export { clientFrame } from './client-frame.js';
export type { FramePredicate, ReceivedFrame } from './frame-queue.js';
export {
  type ClosedWith,
  openClient,
  TestClient,
  type TestClientOptions,
  UpgradeRefused,
} from './test-client.js';
export { type ProbeOptions, probeUpgrade, type UpgradeAnswer, upgradeRequest } from './upgrade-probe.js';
export {
  type ConformanceTarget,
  describeConformance,
  type Need,
  type Rule,
  RULES,
  runConformance,
  runRule,
  type SocketTalker,
  type Talker,
  type TestFramework,
  type Trial,
  type Verdict,
} from './conformance/index.js';
