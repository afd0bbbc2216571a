export { runConformance, runRule, type Verdict } from './conformance.js';
export { describeConformance, type TestFramework } from './describe-conformance.js';
export type { Rule } from './rule.js';
export { RULES } from './rules/index.js';
export type { SocketTalker, Talker } from './talker.js';
export type { ConformanceTarget, Need } from './target.js';
export { Trial, unique, userOf, type Who } from './trial.js';
