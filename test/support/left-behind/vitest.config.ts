import config from '../../../vitest.config.js';

/** For one spec, as often as another one runs it. */
export default {
  ...config,
  test: { include: ['test/support/left-behind/fixture.ts'], hookTimeout: 60_000 },
};
