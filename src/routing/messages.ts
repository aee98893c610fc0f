import type { Frame } from "../bus/frame";
import { AnswerCode, type Answer, type RequestKind } from "../session/answers";

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
} as const;

export function ask(kind: RequestKind, sid: string, t: string, body: string | Uint8Array): Frame {
  return { kind: kind === 0 ? MessageKind.AskGet : MessageKind.AskPost, sid, t, n: 0, body };
}

/** An answer's number holds its code, whether it may be compressed, and which kind of request it answers. */
export function answerFrame(kind: RequestKind, sid: string, t: string, answer: Answer): Frame {
  const n = answer.code | (answer.compress ? 0x10 : 0) | (kind << 5);
  return { kind: MessageKind.Answer, sid, t, n, body: answer.body };
}

export function readAnswer(frame: Frame): { kind: RequestKind; answer: Answer } | undefined {
  const code = frame.n & 0x0f;
  if (code > AnswerCode.Unavailable) return undefined;
  const kind = frame.n & 0x20 ? 1 : 0;
  return { kind, answer: { code: code as AnswerCode, body: frame.body, compress: (frame.n & 0x10) !== 0 } };
}

export function notMine(kind: RequestKind, sid: string, t: string): Frame {
  return { kind: MessageKind.NotMine, sid, t, n: kind, body: "" };
}

export function gone(sid: string, t: string): Frame {
  return { kind: MessageKind.Gone, sid, t, n: 0, body: "" };
}

export function taken(sid: string, turn: number): Frame {
  return { kind: MessageKind.Taken, sid, t: "", n: turn, body: "" };
}
