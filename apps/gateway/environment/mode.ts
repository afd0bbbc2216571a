import { flagOf } from './field.js';

/** The variables that are set, by name; empty ones count as unset. */
export type Given = Readonly<Record<string, string | undefined>>;

/** How the gateway runs, which decides what else must be set. */
export interface Mode {
  readonly production: boolean;
  /** Dev surfaces are open: `POST /dev/tokens`, the playground. */
  readonly dev: boolean;
  /** Dev mode because nothing at all was configured, not because `DEV=1` asked for it. */
  readonly unconfigured: boolean;
}

/** Dev mode is for a machine without configuration, or where `DEV=1` asks for it; never for production. */
export function modeOf(given: Given): Mode {
  const production = given['NODE_ENV'] === 'production';
  const unconfigured = !Object.entries(given).some(
    ([name, value]) => value !== undefined && isConfiguration(name),
  );
  const dev = !production && (flagOf(given['DEV']) ?? unconfigured);
  return { production, dev, unconfigured: dev && flagOf(given['DEV']) === undefined };
}

function isConfiguration(name: string): boolean {
  return name.startsWith('AUTH_') || name === 'API_KEYS' || name === 'CHANNELS';
}
