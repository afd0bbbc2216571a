export type JsonObject = Readonly<Record<string, unknown>>;

/** What a JWT says of itself. Nothing here is verified. */
export interface DecodedJwt {
  readonly header: JsonObject;
  readonly claims: JsonObject;
}

const COMPACT = /^([\w-]+)\.([\w-]+)\.[\w-]+$/;

/** Reads a signed compact JWT without verifying it; undefined where it is none. */
export function decodeJwt(token: string): DecodedJwt | undefined {
  const [, header, claims] = COMPACT.exec(token) ?? [];
  const decodedHeader = jsonObject(header);
  const decodedClaims = jsonObject(claims);
  return decodedHeader && decodedClaims ? { header: decodedHeader, claims: decodedClaims } : undefined;
}

function jsonObject(part: string | undefined): JsonObject | undefined {
  if (part === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
