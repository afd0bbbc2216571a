import { isChannelName } from '@aerie/protocol';

const PARAMETER = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;
const SEGMENT = '([^:]+)';

/** A channel pattern such as `room:{id}`: literal text, and `{name}` for one segment between colons. */
export class ChannelPattern {
  readonly #names: readonly string[];
  readonly #expression: RegExp;
  /** Literal characters: of several patterns that match, the one with most of them wins. */
  readonly weight: number;

  /** Throws on a pattern that no channel name can match. */
  constructor(readonly pattern: string) {
    const literal = pattern.replaceAll(PARAMETER, 'x');
    if (!isChannelName(literal)) throw new Error(`channel pattern "${pattern}" can't match any channel name`);
    this.#names = [...pattern.matchAll(PARAMETER)].map(([, name]) => name ?? '');
    if (new Set(this.#names).size < this.#names.length)
      throw new Error(`channel pattern "${pattern}" names a parameter twice`);
    const source = pattern.split(PARAMETER).map((part, index) => (index % 2 === 0 ? escape(part) : SEGMENT));
    this.#expression = new RegExp(`^${source.join('')}$`);
    this.weight = pattern.replaceAll(PARAMETER, '').length;
  }

  /** The shape without parameter names: two patterns of one shape match the same channels. */
  get shape(): string {
    return this.pattern.replaceAll(PARAMETER, '{}');
  }

  /** The parameters of a channel that matches, or undefined. */
  match(channel: string): Readonly<Record<string, string>> | undefined {
    const found = this.#expression.exec(channel);
    if (found === null) return undefined;
    return Object.fromEntries(this.#names.map((name, index) => [name, found[index + 1] ?? '']));
  }
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
