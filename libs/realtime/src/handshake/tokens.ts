/** DI token of the `AuthOptions` that the module was configured with. */
export const REALTIME_AUTH_OPTIONS = Symbol('REALTIME_AUTH_OPTIONS');
