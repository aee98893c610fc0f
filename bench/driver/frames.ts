const TEXT = 0x81;
const CLOSE = 0x88;
const MASKED = 0x80;
/** Longer payloads say so in more bytes, which nothing here needs. */
const LONGEST = 125;

/** A client's frame. Its mask is zero: as valid as another one, and the payload can be written as it is. */
export function textFrame(text: string): Buffer {
  return frame(TEXT, text);
}

export function closeFrame(): Buffer {
  return frame(CLOSE, "");
}

function frame(first: number, text: string): Buffer {
  if (text.length > LONGEST) throw new RangeError(`too long for a short frame: ${text}`);
  const bytes = Buffer.alloc(6 + text.length);
  bytes[0] = first;
  bytes[1] = MASKED | text.length;
  bytes.write(text, 6, "latin1");
  return bytes;
}

/** Reads a server's frames: whole texts of up to 65,535 ASCII characters. */
export class FrameReader {
  #rest: Buffer | undefined;

  /** The texts that are complete; `undefined` behind them when the server closes. Throws on frames of other kinds. */
  push(chunk: Buffer): (string | undefined)[] {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    const texts: (string | undefined)[] = [];
    let at = 0;
    while (at < bytes.length) {
      const end = endOfFrame(bytes, at);
      if (end === undefined || end.to > bytes.length) {
        this.#rest = bytes.subarray(at);
        break;
      }
      const kind = bytes[at];
      if (kind === CLOSE) texts.push(undefined);
      else if (kind === TEXT) texts.push(bytes.toString("latin1", end.from, end.to));
      else throw new Error(`a frame that was not expected: ${bytes.subarray(at, end.to).toString("hex")}`);
      at = end.to;
    }
    return texts;
  }
}

function endOfFrame(bytes: Buffer, at: number): { readonly from: number; readonly to: number } | undefined {
  const length = bytes[at + 1];
  if (length === undefined) return undefined;
  if (length <= LONGEST) return { from: at + 2, to: at + 2 + length };
  if (length !== 126) throw new Error("a frame longer than any that was expected");
  return at + 4 > bytes.length ? undefined : { from: at + 4, to: at + 4 + bytes.readUInt16BE(at + 2) };
}
