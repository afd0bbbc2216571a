const AT_A_TIME = 200;
/** `npm run test:load` takes the sizes of production; the suite takes what a few seconds allow. */
const FULL = process.env['AERIE_LOAD'] === 'full';

export function scaled({ full, short }: { readonly full: number; readonly short: number }): number {
  return FULL ? full : short;
}

/** A figure for whoever reads the run. */
export function report(figures: Readonly<Record<string, string | number>>): void {
  const parts = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  process.stdout.write(`      ${parts.join(' · ')}\n`);
}

export function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Makes so many of something, 200 at a time. */
export async function inBatches<Made>(count: number, make: (n: number) => Promise<Made>): Promise<Made[]> {
  const made: Made[] = [];
  for (let from = 0; from < count; from += AT_A_TIME) {
    const batch = Array.from({ length: Math.min(AT_A_TIME, count - from) }, (_, index) => make(from + index));
    made.push(...(await Promise.all(batch)));
  }
  return made;
}
