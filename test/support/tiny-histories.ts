export interface Publication {
  readonly channel: string;
  readonly event: string;
  readonly data: unknown;
  readonly from: string;
}

export interface KeptPublication extends Publication {
  readonly offset: number;
}

/** The one epoch of all channels. */
export const EPOCH = 'e';

/** What was published in each channel, all of it. */
export class TinyHistories {
  readonly #all = new Map<string, KeptPublication[]>();

  append(publication: Publication): KeptPublication {
    const history = this.behind(publication.channel, 0);
    const kept = { ...publication, offset: history.length + 1 };
    this.#all.set(publication.channel, [...history, kept]);
    return kept;
  }

  /** Where a channel stands. */
  end(channel: string): number {
    return this.behind(channel, 0).length;
  }

  behind(channel: string, offset: number): readonly KeptPublication[] {
    return (this.#all.get(channel) ?? []).slice(offset);
  }
}
