import type { NodeId } from "../store/port";
import { Senders } from "./senders";

/** The POST that an owner was about to handle as its first, and that owner (O14). */
export interface Mark {
  readonly key: string;
  readonly by: NodeId;
}

/**
 * The part of the record that only owners understand, each piece as JSON, which has no raw line feed:
 *
 *     [[mark LF] senders LF] data
 *
 * The mark is a list of the POST's key and its owner, the senders are those of O13, and data is `socket.data`.
 */
export class OwnPart {
  mark: Mark | undefined;
  readonly senders: Senders;
  /** JSON of `socket.data`, empty where there is none. */
  data: string;

  constructor(text: string) {
    const parts = text.split("\n");
    this.data = parts.pop() ?? "";
    this.senders = Senders.parse(parts.pop() ?? "");
    const mark = parts.pop();
    if (mark === undefined) return;
    const [key, by] = JSON.parse(mark) as [string, NodeId];
    this.mark = { key, by };
  }

  isMarked(key: string, by: NodeId): boolean {
    return this.mark?.key === key && this.mark.by === by;
  }

  text(): string {
    const senders = this.senders.text();
    if (this.mark !== undefined) return `${JSON.stringify([this.mark.key, this.mark.by])}\n${senders}\n${this.data}`;
    return senders === "" ? this.data : `${senders}\n${this.data}`;
  }
}
