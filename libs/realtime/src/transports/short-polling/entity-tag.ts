import type { HistoryReply, Position } from '@aerie/protocol';

/** The entity tag of who has everything up to a position. Epochs have no quotes. */
export function entityTag({ epoch, offset }: Position): string {
  return `"${epoch}/${offset}"`;
}

/** Whether an `If-None-Match` names a tag, weakened by a proxy or not (RFC 9110, section 13.1.2). */
export function names(ifNoneMatch: string, tag: string): boolean {
  const tags = ifNoneMatch.split(',').map((one) => one.trim().replace(/^W\//, ''));
  return tags.includes(tag) || tags.includes('*');
}

/** Whether nothing is left behind a page: who has it has everything. */
export function isWhole({ offset, recovered = true, publications }: HistoryReply): boolean {
  const last = publications.at(-1)?.offset ?? offset;
  return recovered && last === offset;
}
