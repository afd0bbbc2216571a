/** Who is talking: what authentication found out. Immutable; a renewal replaces the whole session. */
export interface Session {
  /** 1-128 bytes without control characters. */
  readonly user: string;
  readonly tenant?: string;
  /** The verified claims, or what the application's own authenticator chose to keep. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Epoch milliseconds at which its connections are closed with 4401; absent: never. */
  readonly expiresAt?: number;
  /** Epoch milliseconds; what `revoke { issuedBefore }` looks at. */
  readonly issuedAt?: number;
  /** The token's id; what `revoke { jti }` looks at. */
  readonly jti?: string;
}

/** Whether a session's time is over. */
export function hasExpired({ expiresAt }: Session): boolean {
  return expiresAt !== undefined && expiresAt <= Date.now();
}
