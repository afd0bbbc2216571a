const LATE = Symbol('late');

/**
 * What `work` comes to, or what `late` says where it takes longer than `ms`. The work itself goes on: its outcome is unknown
 * from then on.
 */
export async function within<Outcome, Late>(
  ms: number,
  work: Promise<Outcome>,
  late: () => Late,
): Promise<Outcome | Late> {
  const { promise: passed, resolve } = Promise.withResolvers<typeof LATE>();
  const timer = setTimeout(() => resolve(LATE), ms);
  try {
    const outcome = await Promise.race([work, passed]);
    return outcome === LATE ? late() : outcome;
  } finally {
    clearTimeout(timer);
  }
}
