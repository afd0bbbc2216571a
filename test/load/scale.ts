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
