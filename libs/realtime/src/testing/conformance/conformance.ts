import type { Rule } from './rule.js';
import { RULES } from './rules/index.js';
import { type ConformanceTarget, notApplicable } from './target.js';
import { lackOf } from './transports.js';
import { Trial } from './trial.js';
import { within } from './within.js';

/** What came out for one rule. */
export interface Verdict {
  readonly rule: string;
  readonly says: string;
  readonly outcome: 'ok' | 'failed' | 'not-applicable';
  /** Where it isn't `ok`. Never holds a token or the API key. */
  readonly why?: string;
  readonly tookMs: number;
}

/** Longer than most rules wait: for `$auth` that does not come, plus a few answers. */
const RULE_MS = 30_000;
const WHY_CHARS = 300;

/** How long a rule may take until it counts as failed. Milliseconds. */
export function limitOf({ limitMs = RULE_MS }: Rule): number {
  return limitMs;
}

/** Tests one rule on a target. Never rejects. */
export async function runRule(rule: Rule, target: ConformanceTarget): Promise<Verdict> {
  const startedAt = performance.now();
  const verdict = (outcome: Verdict['outcome'], why?: string): Verdict => ({
    rule: rule.name,
    says: rule.says,
    outcome,
    ...(why !== undefined && { why }),
    tookMs: Math.round(performance.now() - startedAt),
  });
  const missing = notApplicable(rule, target);
  if (missing !== undefined) return verdict('not-applicable', missing);
  using trial = new Trial(target);
  const lack = await lackOf(rule.over ?? [], trial);
  if (lack !== undefined) return verdict('not-applicable', lack);
  try {
    await within(limitOf(rule), rule.run(trial), 'no end');
    return verdict('ok');
  } catch (error) {
    return verdict('failed', reasonOf(error, target));
  }
}

/**
 * Tests every rule on a target, one after the other: whether a server is one of wire protocol v1.
 * @param onVerdict hears of each as soon as it is known.
 */
export async function runConformance(
  target: ConformanceTarget,
  onVerdict?: (verdict: Verdict) => void,
  rules: readonly Rule[] = RULES,
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const rule of rules) {
    const verdict = await runRule(rule, target);
    verdicts.push(verdict);
    onVerdict?.(verdict);
  }
  return verdicts;
}

function reasonOf(error: unknown, { tokens, api }: ConformanceTarget): string {
  const text = error instanceof Error ? describe(error) : String(error);
  const secrets = [...tokens, ...(api === undefined ? [] : [api.key])];
  const clean = secrets.reduce((rest, secret) => rest.replaceAll(secret, '<secret>'), text);
  return clean.length > WHY_CHARS ? `${clean.slice(0, WHY_CHARS)}…` : clean;
}

// An AggregateError of Node's connects has no text of its own, and fetch hides what happened in the cause.
function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  const code = 'code' in error ? ` ${String(error.code)}` : '';
  return `${error.message || error.name + code}${cause}`;
}
