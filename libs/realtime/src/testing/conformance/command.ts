import { runConformance, type Verdict } from './conformance.js';
import { type ConformanceOptions, readOptions, USAGE, UsageError } from './options.js';
import { RULES } from './rules/index.js';
import { isPartOf } from './target.js';

/** What the command needs of its process. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly write: (text: string) => void;
  readonly complain: (text: string) => void;
}

/** Runs the suite as the command line says. Resolves with the exit code. */
export async function runCommand(argv: readonly string[], around: Surroundings): Promise<number> {
  try {
    const options = readOptions(argv, around.environment);
    if (options !== undefined) return await test(options, around);
    around.write(USAGE);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    around.complain(`${error.message}\n\n${USAGE}`);
    return 2;
  }
}

async function test({ target, json, only }: ConformanceOptions, { write }: Surroundings): Promise<number> {
  const rules = chosen(only, target.skip);
  const verdicts = await runConformance(
    target,
    (verdict) => {
      if (!json) write(`${lineOf(verdict)}\n`);
    },
    rules,
  );
  const counts = countsOf(verdicts);
  if (json) write(`${JSON.stringify({ url: withoutQuery(target.url), ...counts, verdicts }, null, 2)}\n`);
  else write(`\n${counts.ok} ok, ${counts.failed} FAILED, ${counts.notApplicable} not applicable\n`);
  return counts.failed === 0 ? 0 : 1;
}

function chosen(only: readonly string[], skip: readonly string[] = []): typeof RULES {
  const unknown = [...only, ...skip].find((part) => !RULES.some(({ name }) => isPartOf(name, part)));
  if (unknown !== undefined) throw new UsageError(`there is no rule ${unknown}`);
  return only.length === 0 ? RULES : RULES.filter(({ name }) => only.some((part) => isPartOf(name, part)));
}

function lineOf({ outcome, rule, says, why = '' }: Verdict): string {
  if (outcome === 'ok') return `ok              ${rule}`;
  if (outcome === 'failed') return `FAILED          ${rule}: ${oneLine(why)} (${says})`;
  return `not applicable  ${rule}: ${oneLine(why)}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

function countsOf(verdicts: readonly Verdict[]): Readonly<Record<'ok' | 'failed' | 'notApplicable', number>> {
  const count = (outcome: Verdict['outcome']) =>
    verdicts.filter((verdict) => verdict.outcome === outcome).length;
  return { ok: count('ok'), failed: count('failed'), notApplicable: count('not-applicable') };
}

// A query may hold a credential.
function withoutQuery(url: string): string {
  const { origin, pathname, protocol, host } = new URL(url);
  return origin === 'null' ? `${protocol}//${host}${pathname}` : `${origin}${pathname}`;
}
