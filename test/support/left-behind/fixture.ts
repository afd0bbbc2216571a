/** A spec as none should be. Run by ending.spec.ts. */
import { beforeAll, it } from 'vitest';
import { startGateway } from '../gateway.js';

beforeAll(async () => {
  const { child } = await startGateway();
  process.stdout.write(`pid ${child.pid}\n`);
  if (process.env['NEVER_ENDS'] === undefined) throw new Error('as wanted');
  await new Promise(() => undefined);
});

it('is not reached', () => undefined);
