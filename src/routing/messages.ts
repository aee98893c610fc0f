import type { Frame } from "../bus/frame";
import type { Asked } from "./held";
import { AnswerCode, RequestKind, type Answer } from "../session/answers";

/** What nodes say to each other. The numbers are part of the format between versions: never reuse one. */
export const MessageKind = {
  /** Holder to owner: the poll `t` waits here. */
  AskGet: 1,
  /** Holder to owner: a POST with the key `t` and its body. */
  AskPost: 2,
  /** Owner to holder: the answer for every connection that waits for it. */
  Answer: 3,
  /** Asked node to holder: the session is not (or no longer) mine. */
  NotMine: 4,
  /** Holder to owner: no connection waits here for the poll `t` any more. A hint. */
  Gone: 5,
  /** New owner to old owner: the session was claimed, at turn `n`. */
  Taken: 6,
  /** Any node to owner: packets for the session, or its close. `t` is the sender's name and number. */
  AskSend: 7,
  /** Leaving owner to another node: claim the session, which stands at turn `n`. */
  Handover: 8,
  /** Leaving holder to owner: answer the poll `t`, if with nothing. */
  Release: 9,
  /** Gateway to owner: message `n` of a websocket. `t` is the websocket's name and, behind a dot, the number of the try. */
  RelayIn: 10,
  /** Gateway to owner: the websocket is gone; `n` is `CLOSED_BY_GATEWAY` where the gateway has closed it. */
  RelayGone: 11,
  /** Owner to gateway: message `n` for the websocket `t`, behind whose name, and a dot, stands `DO_NOT_COMPRESS` where that is so. */
  RelayOut: 12,
  /** Owner to gateway: the upgrade is recorded, and messages up to `n` (not included) have been handled. */
  RelayAck: 13,
  /** Owner to gateway: close the websocket, with code `n` if it is not 0. */
  RelayClose: 14,
  /** Asked node to gateway: the session is not mine; `t` names the try. */
  RelayNotMine: 15,
  /**
   * Gateway to owner: the runtime has taken `n` units of what was sent, in all. Before the upgrade is recorded: the client waits for
   * its poll to be let go (U7).
   */
  RelayCredit: 16,
  /** To all: this node leaves, and takes no sessions. */
  Leaving: 17,
  /** To a node that beats though its lease has ended: the store is there, and it is that node that cannot reach it. */
  LeaseOver: 18,
  /** Gateway to owner: a websocket is there, whose client may have said nothing yet. `t` as of `RelayIn`. */
  RelayOpen: 19,
} as const;

/** The client, or the network, did not close it, and the client may have stopped polling for it (U7). */
export const CLOSED_BY_GATEWAY = 1;

/** Stands behind a websocket's name and its try where the gateway says itself when a poll is to be let go (U7). */
export const ASKS_FOR_RELEASE = "a";

/** A node that does not know of it decides by the size alone. */
export const DO_NOT_COMPRESS = "u";

const ASK_KINDS = {
  [RequestKind.Get]: MessageKind.AskGet,
  [RequestKind.Post]: MessageKind.AskPost,
  [RequestKind.Send]: MessageKind.AskSend,
} as const;

export function ask({ kind, sid, t, revision, body }: Asked): Frame {
  return { kind: ASK_KINDS[kind], sid, t, n: revision, body };
}

/** An answer's number holds its code, whether it may be compressed, and which kind of request it answers. */
export function answerFrame(kind: RequestKind, sid: string, t: string, answer: Answer): Frame {
  const n = answer.code | (answer.compress ? 0x10 : 0) | (kind << 5);
  return { kind: MessageKind.Answer, sid, t, n, body: answer.body };
}

export function readAnswer(frame: Frame): { kind: RequestKind; answer: Answer } | undefined {
  const code = frame.n & 0x0f;
  if (code > AnswerCode.OtherProtocol) return undefined;
  const kind = readKind(frame.n >> 5);
  if (kind === undefined) return undefined;
  return { kind, answer: { code: code as AnswerCode, body: frame.body, compress: (frame.n & 0x10) !== 0 } };
}

/** A request's kind out of a number that came over a link. */
export function readKind(n: number): RequestKind | undefined {
  return n === RequestKind.Get || n === RequestKind.Post || n === RequestKind.Send ? n : undefined;
}

export function notMine(kind: RequestKind, sid: string, t: string): Frame {
  return { kind: MessageKind.NotMine, sid, t, n: kind, body: "" };
}

export function leaseOver(): Frame {
  return { kind: MessageKind.LeaseOver, sid: "", t: "", n: 0, body: "" };
}

export function gone(sid: string, t: string): Frame {
  return { kind: MessageKind.Gone, sid, t, n: 0, body: "" };
}

export function handover(sid: string, turn: number): Frame {
  return { kind: MessageKind.Handover, sid, t: "", n: turn, body: "" };
}

export function release(sid: string, t: string): Frame {
  return { kind: MessageKind.Release, sid, t, n: 0, body: "" };
}

export function leaving(): Frame {
  return { kind: MessageKind.Leaving, sid: "", t: "", n: 0, body: "" };
}

export function taken(sid: string, turn: number): Frame {
  return { kind: MessageKind.Taken, sid, t: "", n: turn, body: "" };
}

/** A frame of a relay, in either direction. */
export function relayFrame(kind: number, sid: string, t: string, n: number, body: string | Uint8Array = ""): Frame {
  return { kind, sid, t, n, body };
}
