const MOST_PATTERNS = 1_000;
const LONGEST_PATTERN = 200;

/**
 * Whether the claim `channels: { subscribe: [...], publish: [...] }` names a channel. In its patterns `*` stands for a
 * segment (`room:*`) or for the rest of one (`room:vip-*`), never for a colon. What an issuer put there by mistake grants
 * nothing.
 */
export function claimsGrant(
  claims: Readonly<Record<string, unknown>>,
  action: 'subscribe' | 'publish',
  channel: string,
): boolean {
  const granted = own(own(claims, 'channels'), action);
  if (!Array.isArray(granted)) return false;
  return granted
    .slice(0, MOST_PATTERNS)
    .some((pattern) => typeof pattern === 'string' && matches(pattern, channel));
}

function own(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function matches(pattern: string, channel: string): boolean {
  if (pattern.length > LONGEST_PATTERN) return false;
  const wanted = pattern.split(':');
  const segments = channel.split(':');
  return (
    wanted.length === segments.length &&
    wanted.every((part, index) => matchesSegment(part, segments[index] ?? ''))
  );
}

function matchesSegment(part: string, segment: string): boolean {
  const star = part.indexOf('*');
  if (star < 0) return part === segment;
  // Elsewhere than at the end a star is no wildcard, and no channel has one in its name.
  return star === part.length - 1 && segment.length > star && segment.startsWith(part.slice(0, star));
}
