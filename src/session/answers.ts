/** What is asked of an owner: a session's poll, its POST, and what some node of the cluster sends to it. Travels between nodes. */
export const RequestKind = { Get: 0, Post: 1, Send: 2 } as const;
export type RequestKind = (typeof RequestKind)[keyof typeof RequestKind];

/**
 * What an owner says to a request of its session. The node that holds the connection makes HTTP of it.
 * The numbers travel between nodes.
 */
export const AnswerCode = {
  /** 200 with a payload of packets. */
  Packets: 0,
  /** 200: the POST was handled. */
  Ok: 1,
  /** 400 `Session ID unknown`. */
  UnknownSid: 2,
  /** 400 `Bad request`: the session has another transport. */
  BadRequest: 3,
  /** 400 without a body: this request contradicts another one of its session. */
  Refused: 4,
  /** 503: nobody could answer in time; the client may try again. */
  Unavailable: 5,
  /** 400 `Bad request`: the session speaks another revision of the protocol. */
  OtherProtocol: 6,
  /** 413: no frame is as long as this request. Never travels: the node that holds it says so. */
  TooLarge: 7,
} as const;
export type AnswerCode = (typeof AnswerCode)[keyof typeof AnswerCode];

export interface Answer {
  readonly code: AnswerCode;
  readonly body: string | Uint8Array;
  /** Whether a packet in it may be compressed. */
  readonly compress: boolean;
}

const BARE: Readonly<Record<AnswerCode, Answer>> = {
  0: { code: 0, body: "", compress: false },
  1: { code: 1, body: "", compress: false },
  2: { code: 2, body: "", compress: false },
  3: { code: 3, body: "", compress: false },
  4: { code: 4, body: "", compress: false },
  5: { code: 5, body: "", compress: false },
  6: { code: 6, body: "", compress: false },
  7: { code: 7, body: "", compress: false },
};

/** An answer that is its code and nothing more. */
export function bare(code: AnswerCode): Answer {
  return BARE[code];
}
