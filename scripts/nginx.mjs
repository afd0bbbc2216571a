/** The proxy that tests put in front of gateways. */
import { ensureProgram } from './program.mjs';

const NGINX = {
  name: 'nginx',
  binaries: ['nginx'],
  packages: { 'apt-get': 'nginx', apk: 'nginx', dnf: 'nginx', brew: 'nginx' },
};

/** The path of an nginx, installed first if it is missing. Throws with what to do where that fails. */
export const ensureNginx = () => ensureProgram(NGINX);
