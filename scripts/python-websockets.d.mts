/** The path of a Python that has `websockets`, installed first if it is missing. Throws with what to do where that fails. */
export function ensurePythonWithWebSockets(): string;
