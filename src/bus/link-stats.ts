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
}

export function emptyLinkStats(): LinkStats {
  return {
    messagesSent: 0,
    framesSent: 0,
    messagesReceived: 0,
    framesReceived: 0,
    losses: 0,
    rejected: 0,
    old: 0,
  };
}
