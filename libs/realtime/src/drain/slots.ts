export interface SlotPlan {
  /** Connections to give away. */
  readonly count: number;
  /** The whole drain window. Milliseconds. */
  readonly windowMs: number;
  /** 0 to 1, exclusive; for tests. */
  readonly random?: () => number;
}

/** Nobody is closed before this: the notice must arrive and be acted on first. */
const FIRST_SLOT_MS = 5_000;
/** The rest of the window is for goodbyes that take long. */
const LAST_SLOT_SHARE = 0.9;

/**
 * When each connection is closed: one ascending offset per connection, in milliseconds from the window's start, within
 * `[min(5 s, window / 4), 0.9 window]`. Evenly paced: each falls anywhere in its own share of that stretch.
 */
export function drainSlots({ count, windowMs, random = Math.random }: SlotPlan): readonly number[] {
  const { firstMs, lastMs } = slotRange(windowMs);
  const shareMs = (lastMs - firstMs) / Math.max(1, count);
  // Rounding may carry the last one beyond the end.
  return Array.from({ length: count }, (_, index) =>
    Math.min(lastMs, firstMs + (index + random()) * shareMs),
  );
}

/** One slot for a connection that comes when the window has run for `elapsedMs`: anywhere in what is left. */
export function lateSlot(windowMs: number, elapsedMs: number, random: () => number = Math.random): number {
  const { firstMs, lastMs } = slotRange(windowMs);
  const fromMs = Math.min(lastMs, Math.max(firstMs, elapsedMs));
  return fromMs + random() * (lastMs - fromMs);
}

function slotRange(windowMs: number): { readonly firstMs: number; readonly lastMs: number } {
  return { firstMs: Math.min(FIRST_SLOT_MS, windowMs / 4), lastMs: windowMs * LAST_SLOT_SHARE };
}
