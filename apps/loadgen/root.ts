import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The clone that this program runs in, whether from its sources or from what was built of them. */
export const ROOT: string = clone(dirname(fileURLToPath(import.meta.url)));

function clone(folder: string): string {
  return existsSync(join(folder, 'package-lock.json')) ? folder : clone(dirname(folder));
}

/** Where compiled engines and fetched peers are kept between runs. */
export const CACHE: string = join(ROOT, 'node_modules', '.cache', 'aerie-bench');
