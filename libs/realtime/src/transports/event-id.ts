import { isChannelName, isPosition, type Position } from '@aerie/protocol';

/** Past it a header would not be read by most servers. */
const MAX_ID_BYTES = 14 * 1024;
/** As `ResumeProofs` makes them. An id of somebody else's is not taken for one. */
const PROOF = /^(?:[\w-]+\.[\w-]+)?$/;
/** What stands in an id must not be able to end its line. */
const EPOCH = /^[\w.-]+$/;
const OFFSET = /^\d+$/;

/** What a client came back with. */
export interface Whereabouts {
  /** What stands for its session; empty where its request brings a credential itself. */
  readonly proof: string;
  /** Where its channels stood. */
  readonly positions: ReadonlyMap<string, Position>;
}

/**
 * Where a client's channels stand, kept for it: a client of HTTP sends back the last id that it saw (`Last-Event-ID`), instead
 * of counting by itself. The text is opaque to it: a proof, then `channel/epoch/offset` of each channel with a history.
 */
export class EventId {
  readonly #positions = new Map<string, Position>();

  /**
   * @param proof What stands for the session as it is now; empty where none is needed.
   * @param earlier Where the client's channels stood when it came: one that is not subscribed again yet stays there, or a
   * client that is cut meanwhile would lose its place.
   */
  constructor(
    readonly proof: () => string,
    earlier: ReadonlyMap<string, Position> = new Map(),
  ) {
    for (const [channel, position] of earlier) this.move(channel, position);
  }

  /** The part behind the proof. */
  get places(): string {
    let text = '';
    for (const [channel, { epoch, offset }] of this.#positions) text += `;${channel}/${epoch}/${offset}`;
    return text;
  }

  /** A channel stands at a position; without one, the client has left it. Whether that was news. */
  move(channel: string, position: Position | undefined): boolean {
    if (position === undefined) return this.#positions.delete(channel);
    this.#positions.set(channel, position);
    return true;
  }

  toString(): string {
    return this.proof() + this.places;
  }
}

/** Reads an id that came back; undefined where it is none of ours. */
export function readEventId(text: string): Whereabouts | undefined {
  if (text.length > MAX_ID_BYTES) return undefined;
  const [proof = '', ...parts] = text.split(';');
  if (!PROOF.test(proof)) return undefined;
  const positions = new Map<string, Position>();
  for (const part of parts) {
    const [channel = '', epoch = '', offset = '', ...more] = part.split('/');
    const position = { epoch, offset: Number(offset) };
    if (more.length > 0 || !isChannelName(channel) || !EPOCH.test(epoch)) return undefined;
    if (!OFFSET.test(offset) || !isPosition(position)) return undefined;
    positions.set(channel, position);
  }
  return { proof, positions };
}
