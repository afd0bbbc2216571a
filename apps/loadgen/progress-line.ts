const WIDTH = 24;

/** One line that shows how far something is, where somebody looks at a terminal; silent elsewhere. */
export class ProgressLine {
  readonly #out = process.stderr;

  show(label: string, share: number): void {
    if (!this.#out.isTTY) return;
    const done = Math.round(Math.min(1, share) * WIDTH);
    this.#out.write(`\r\x1b[2K${'█'.repeat(done)}${'░'.repeat(WIDTH - done)} ${label}`);
  }

  clear(): void {
    if (this.#out.isTTY) this.#out.write('\r\x1b[2K');
  }
}
