/** The path of a Redis server binary, or undefined. */
export function findRedisServer(): string | undefined;
/** The path of a Redis server binary, installed first if it is missing. Throws with what to do where that fails. */
export function ensureRedisServer(): string;
