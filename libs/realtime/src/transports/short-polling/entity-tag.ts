import type { HistoryReply, Position } from '@aerie/protocol';

/** The entity tag of who has everything up to a position: weak, as what expires makes a page shorter. Epochs have no quotes. */
export function entityTag({ epoch, offset }: Position): string {
  return `W/"${epoch}/${offset}"`;
}

/** Whether an `If-None-Match` names a tag, by the weak comparison (RFC 9110, section 13.1.2). */
export function names(ifNoneMatch: string, tag: string): boolean {
  const tags = ifNoneMatch.split(',').map((one) => opaque(one.trim()));
  return tags.includes(opaque(tag)) || tags.includes('*');
}

function opaque(tag: string): string {
  return tag.replace(/^W\//, '');
}

/** Whether nothing is left behind a page: who has it has everything. */
export function isWhole({ offset, recovered = true, publications }: HistoryReply): boolean {
  const last = publications.at(-1)?.offset ?? offset;
  return recovered && last === offset;
}
