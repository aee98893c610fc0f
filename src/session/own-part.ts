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
 *     [[marks LF] senders LF] data
 *
 * The marks are a list: the POST's key and its owner, both empty where there is none, and the gateway, where there is one. The
 * senders are those of O13, and data is `socket.data`.
 */
export class OwnPart {
  mark: Mark | undefined;
  /** The node that has the websocket whose probe was answered, until the session has gone over to it, or not (U7). */
  gateway: NodeId | undefined;
  readonly senders: Senders;
  /** JSON of `socket.data`, empty where there is none. */
  data: string;

  constructor(text: string) {
    const parts = text.split("\n");
    this.data = parts.pop() ?? "";
    this.senders = Senders.parse(parts.pop() ?? "");
    const marks = parts.pop();
    if (marks === undefined) return;
    const [key, by, gateway] = JSON.parse(marks) as [string, NodeId, NodeId?];
    if (key !== "") this.mark = { key, by };
    this.gateway = gateway;
  }

  isMarked(key: string, by: NodeId): boolean {
    return this.mark?.key === key && this.mark.by === by;
  }

  text(): string {
    const senders = this.senders.text();
    const { mark, gateway } = this;
    if (mark !== undefined || gateway !== undefined) {
      const marks = [mark?.key ?? "", mark?.by ?? "", ...(gateway === undefined ? [] : [gateway])];
      return `${JSON.stringify(marks)}\n${senders}\n${this.data}`;
    }
    return senders === "" ? this.data : `${senders}\n${this.data}`;
  }
}
