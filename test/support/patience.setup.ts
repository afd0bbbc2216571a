import { vi } from 'vitest';

/** How long a spec waits that doesn't say: a machine that does other things beside may need more than the runner's 1 s. */
const PATIENCE = { timeout: 10_000 };

const { waitFor } = vi;
vi.waitFor = (callback, options = PATIENCE) => waitFor(callback, options);
