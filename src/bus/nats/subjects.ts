import type { NodeId } from "../../store/port";

const PREFIX = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const TOKEN = /^[A-Za-z0-9_-]+$/;
/** Cached subjects are dropped when there are more: nodes come and go, each with a new name. */
const MAX_CACHED = 4096;

/** Where messages to one node go, and where the server says that nobody listens there. */
export interface Address {
  readonly subject: string;
  /** Options of `publish`, the same object for each message. */
  readonly options: { readonly reply: string };
}

/**
 * The subjects of one cluster, all below its prefix, so that one permission on `<prefix>.>` is enough:
 *
 *   <prefix>.node.<node>             messages to a node
 *   <prefix>.beat                    messages to all
 *   <prefix>.none.<node>.<target>    what the server answers to <node> when nobody listens as <target>
 */
export class Subjects {
  readonly beat: string;
  readonly #prefix: string;
  readonly #addresses = new Map<NodeId, Address>();
  #own = "";

  constructor(prefix: string) {
    if (!PREFIX.test(prefix))
      throw new Error(`the subject prefix "${prefix}" must be made of letters, digits, "-" and "_", with dots between`);
    this.#prefix = prefix;
    this.beat = `${prefix}.beat`;
  }

  own(node: NodeId): void {
    this.#own = token(node);
  }

  get node(): string {
    return `${this.#prefix}.node.${this.#own}`;
  }

  get noResponders(): string {
    return `${this.#prefix}.none.${this.#own}.*`;
  }

  /** Not listened to: it marks this node's broadcasts, so that this node can ignore them. */
  get beatReply(): string {
    return `${this.beat}.${this.#own}`;
  }

  get permission(): string {
    return `${this.#prefix}.>`;
  }

  owns(subject: string): boolean {
    return subject.startsWith(`${this.#prefix}.`);
  }

  address(to: NodeId): Address {
    let address = this.#addresses.get(to);
    if (address === undefined) {
      const target = token(to);
      address = {
        subject: `${this.#prefix}.node.${target}`,
        options: { reply: `${this.#prefix}.none.${this.#own}.${target}` },
      };
      if (this.#addresses.size >= MAX_CACHED) this.#addresses.clear();
      this.#addresses.set(to, address);
    }
    return address;
  }

  /** The node that a "no responders" on this subject speaks of. */
  target(subject: string): NodeId {
    const last = subject.slice(subject.lastIndexOf(".") + 1);
    return last.startsWith("=") ? Buffer.from(last.slice(1), "base64url").toString() : last;
  }
}

/** Names come from records and other nodes: one with a space or a line break in it would be another command to the server. */
function token(node: NodeId): string {
  return TOKEN.test(node) ? node : `=${Buffer.from(node).toString("base64url")}`;
}
