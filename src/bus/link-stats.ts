/** What a node's links have come to, in numbers that only grow. */
export interface LinkStats {
  messagesSent: number;
  framesSent: number;
  messagesReceived: number;
  framesReceived: number;
  losses: number;
  /** Messages that are not of this cluster, version or secret, that cannot be read, and frames over the limit. */
  rejected: number;
  /** Messages whose number was known already, or of a link that its sender gave up. */
  old: number;
  /** How often so much was under way to a peer that what can wait had to. */
  congestions: number;
}

export function noStats(): LinkStats {
  return {
    messagesSent: 0,
    framesSent: 0,
    messagesReceived: 0,
    framesReceived: 0,
    losses: 0,
    rejected: 0,
    old: 0,
    congestions: 0,
  };
}
