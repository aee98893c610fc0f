/** What a node's links have come to, in numbers that only grow. */
export class LinkStats {
  messagesSent = 0;
  framesSent = 0;
  messagesReceived = 0;
  framesReceived = 0;
  losses = 0;
  /** Messages that are not of this cluster, version or secret, that cannot be read, and frames over the limit. */
  rejected = 0;
  /** Messages whose number was known already, or of a link that its sender gave up. */
  old = 0;
}
