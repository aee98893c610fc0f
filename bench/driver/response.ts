export interface Response {
  readonly status: number;
  readonly body: string;
  /** Whether the server closes the connection behind it. */
  readonly closes: boolean;
}

/** Reads one HTTP response after the other from a connection that has one request under way at most. */
export class ResponseReader {
  #text = "";

  /** The response, when it is complete. Throws on what no server of this benchmark should send. */
  push(chunk: string): Response | undefined {
    const text = this.#text === "" ? chunk : this.#text + chunk;
    this.#text = text;
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const head = text.slice(0, end + 2);
    const length = LENGTH.exec(head)?.[1];
    if (length === undefined) throw new Error(`a response without length: ${JSON.stringify(text)}`);
    const size = end + 4 + Number(length);
    if (text.length < size) return undefined;
    if (text.length > size) throw new Error(`more than was asked for: ${JSON.stringify(text)}`);
    this.#text = "";
    return { status: Number(head.slice(9, 12)), body: text.slice(end + 4), closes: CLOSE.test(head) };
  }
}

const LENGTH = /\r\ncontent-length: *(\d+)\r\n/i;
const CLOSE = /\r\nconnection: *close\r\n/i;
