/** Where a reader stands in a channel's history. An epoch names one unbroken history; offsets count from 1 in it. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Whether a value has the form of a position: an epoch of at most 64 characters, an offset from 0. */
export function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false;
  const { epoch, offset } = value as Record<string, unknown>;
  return (
    typeof epoch === 'string' &&
    epoch.length <= 64 &&
    typeof offset === 'number' &&
    Number.isSafeInteger(offset) &&
    offset >= 0
  );
}
