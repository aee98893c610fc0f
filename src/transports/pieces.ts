/** So many pieces are kept as they came: nearly all bodies have one or two, and are not copied. */
const KEPT = 64;
/** Blocks for what comes behind them, in bytes: as large as what is there already, within these. */
const SMALLEST_BLOCK = 1024;
const LARGEST_BLOCK = 65_536;

/**
 * A body that comes in pieces. A client decides how many: each piece is an object of eighty bytes, so that a megabyte in
 * chunks of one byte held eighty megabytes, which no limit knew of. From the 65th on they are copied together.
 */
export class Pieces {
  readonly #kept: Buffer[] = [];
  #block: Buffer | undefined;
  /** Bytes of the block that are in use. */
  #used = 0;
  #length = 0;

  /** Bytes, in all. */
  get length(): number {
    return this.#length;
  }

  add(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#block === undefined && this.#kept.length < KEPT) this.#kept.push(piece);
    else this.#copy(piece);
  }

  #copy(piece: Buffer): void {
    let from = 0;
    if (this.#block !== undefined) {
      from = piece.copy(this.#block, this.#used);
      this.#used += from;
      if (from === piece.length) return;
      this.#kept.push(this.#block);
    }
    const rest = piece.length - from;
    const size = Math.min(Math.max(this.#length, SMALLEST_BLOCK), LARGEST_BLOCK);
    this.#block = Buffer.allocUnsafeSlow(Math.max(rest, size));
    this.#used = piece.copy(this.#block, 0, from);
  }

  whole(): Buffer {
    const [only] = this.#kept;
    if (only !== undefined && this.#kept.length === 1) return only;
    const last = this.#block === undefined ? [] : [this.#block.subarray(0, this.#used)];
    return Buffer.concat([...this.#kept, ...last], this.#length);
  }
}
