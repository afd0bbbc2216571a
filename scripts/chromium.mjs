/** The browser that looks at the playground in tests. */
import { ensureProgram } from './program.mjs';

const CHROMIUM = {
  name: 'chromium',
  binaries: ['chromium', 'chromium-browser', 'google-chrome'],
  packages: { 'apt-get': 'chromium', apk: 'chromium', dnf: 'chromium' },
};

/** The path of a browser, installed first if it is missing. Throws with what to do where that fails. */
export const ensureChromium = () => ensureProgram(CHROMIUM);
