/** The path of a browser, installed first if it is missing. Throws with what to do where that fails. */
export function ensureChromium(): string;
