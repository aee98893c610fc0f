import type { Rejection } from "./message";

const TEXTS: Readonly<Record<Rejection, string>> = {
  version: "is of another version, or is none: update all nodes, and look who else publishes to these subjects",
  unsigned:
    "is not signed, and this node has a secret: set the same option cluster.secret (CLUSTER_SECRET) at all nodes, and look who " +
    "else publishes to these subjects",
  signed: "is signed, and this node has no secret: set the option cluster.secret (CLUSTER_SECRET) as at the others",
  forged:
    "is signed with another secret: set the same option cluster.secret (CLUSTER_SECRET) at all nodes, and look who else " +
    "publishes to these subjects",
  unreadable: "cannot be read: look who else publishes to these subjects",
};

/** What an operator is told of the first message that was dropped for a reason. */
export function rejectionError(why: Rejection): Error {
  return new Error(`a message to this node was dropped: it ${TEXTS[why]}. The next ones are only counted.`);
}
