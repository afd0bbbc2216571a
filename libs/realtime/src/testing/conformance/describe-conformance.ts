import { limitOf, runRule } from './conformance.js';
import type { Rule } from './rule.js';
import { RULES } from './rules/index.js';
import type { ConformanceTarget } from './target.js';

/** `describe` and `it` of Vitest, Jest, node:test and their like. */
export interface TestFramework {
  readonly describe: (name: string, define: () => void) => unknown;
  readonly it: (name: string, test: (...context: unknown[]) => Promise<void>, timeoutMs?: number) => unknown;
}

/** What a test may take beside its rule. */
const ASIDE_MS = 10_000;

/**
 * Makes one test of every rule of wire protocol v1. A rule that can't be tested on the target is skipped where the framework
 * hands a context with `skip` to the test (Vitest), else it passes.
 * @param target what to test, or what says it once the tests run: a server may start in a `beforeAll`.
 * @param rules default: all.
 */
export function describeConformance(
  target: ConformanceTarget | (() => ConformanceTarget),
  { describe, it }: TestFramework,
  rules: readonly Rule[] = RULES,
): void {
  describe('wire protocol v1', () => {
    for (const rule of rules)
      it(
        `${rule.name}: ${rule.says}`,
        // A rest parameter: Jest takes a first one for a callback that has to be called.
        async (...context) => {
          const verdict = await runRule(rule, typeof target === 'function' ? target() : target);
          if (verdict.outcome === 'failed') throw new Error(verdict.why);
          if (verdict.outcome === 'not-applicable') skip(context[0], verdict.why);
        },
        limitOf(rule) + ASIDE_MS,
      );
  });
}

function skip(context: unknown, why: string | undefined): void {
  const { skip: leave } = Object(context) as { skip?: unknown };
  if (typeof leave === 'function') leave.call(context, why);
}
