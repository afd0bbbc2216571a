/** The path of an nginx, installed first if it is missing. Throws with what to do where that fails. */
export function ensureNginx(): string;
