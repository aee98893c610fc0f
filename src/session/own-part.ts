import { Senders } from "./senders";

/**
 * The part of the record that only owners understand, each piece as JSON, which has no raw line feed:
 *
 *     [[mark LF] senders LF] data
 *
 * The mark names the POST that an owner was about to handle as its first (O14), the senders are those of O13, and data is
 * `socket.data`.
 */
export class OwnPart {
  mark: string | undefined;
  readonly senders: Senders;
  /** JSON of `socket.data`, empty where there is none. */
  data: string;

  constructor(text: string) {
    const parts = text.split("\n");
    this.data = parts.pop() ?? "";
    this.senders = Senders.parse(parts.pop() ?? "");
    const mark = parts.pop();
    this.mark = mark === undefined ? undefined : (JSON.parse(mark) as string);
  }

  text(): string {
    const senders = this.senders.text();
    if (this.mark !== undefined) return `${JSON.stringify(this.mark)}\n${senders}\n${this.data}`;
    return senders === "" ? this.data : `${senders}\n${this.data}`;
  }
}
