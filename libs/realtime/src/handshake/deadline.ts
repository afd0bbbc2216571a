/** Rejects if `work` takes longer than `ms`. The work itself goes on: its outcome is unknown from then on. */
export async function withDeadline<Value>(work: Promise<Value>, ms: number): Promise<Value> {
  const { promise: passed, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, passed]);
  } finally {
    clearTimeout(timer);
  }
}
