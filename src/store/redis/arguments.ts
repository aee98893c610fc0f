import type { Commit, NodeId, Opening, SessionPhase, SessionRecord, StoreLimits, TransportName } from "../port";
import { encodeName } from "./keys";

/**
 * The arguments of each script, in the order that its header gives. All are strings: one buffer among them would take
 * the client off its fast path.
 */

/** The format of records that this version writes and reads. */
export const FORMAT = "1";

const PHASE_LETTERS: Record<SessionPhase, string> = { open: "o", closing: "c", closed: "x" };
const TRANSPORT_LETTERS: Record<TransportName, string> = { polling: "p", websocket: "w" };

export function openArguments(opening: Opening, limits: StoreLimits): string[] {
  const { node, protocol, transport, handshake } = opening;
  return [node, String(protocol), TRANSPORT_LETTERS[transport], handshake, ttl(limits.recordTtl)];
}

export function claimArguments(node: NodeId, turn: number, limits: StoreLimits): string[] {
  return [node, String(turn), ttl(limits.recordTtl), ttl(limits.linger), FORMAT];
}

export function restoreArguments(record: SessionRecord, limits: StoreLimits): string[] {
  const { owner, turn, protocol, transport, phase, acked, packets, inflight, handled, answered } = record;
  return [
    owner,
    String(turn),
    String(protocol),
    TRANSPORT_LETTERS[transport],
    PHASE_LETTERS[phase],
    String(acked),
    String(acked + packets.length),
    String(charsOf(packets)),
    inflight === null ? "" : inflight.t,
    inflight === null ? "" : String(inflight.upTo),
    record.handshake,
    record.data,
    ttl(limits.recordTtl),
    ttl(limits.linger),
    String(packets.length),
    String(handled.length),
    String(answered.length),
    ...packets.map(listed),
    ...handled,
    ...answered,
  ];
}

export function renewArguments(node: NodeId, limits: StoreLimits): string[] {
  return [node, ttl(limits.recordTtl)];
}

/** `leaseTtl` 0: the lease is given back. */
export function leaseArguments(node: NodeId, incarnation: number, leaseTtl: number): string[] {
  return [encodeName(node), String(incarnation), leaseTtl === 0 ? "0" : ttl(leaseTtl)];
}

/** Only whether the node's lease stands is asked. */
export function standingArguments(node: NodeId): string[] {
  return [encodeName(node), "0", ""];
}

export function indexArguments(add: readonly string[], remove: readonly string[], limits: StoreLimits): string[] {
  return [ttl(indexTtl(limits)), String(add.length), ...add, ...remove];
}

/** A dead node's index is of use for as long as a record of it can live. */
export function indexTtl(limits: StoreLimits): number {
  return Math.max(limits.recordTtl, limits.linger) + limits.leaseTtl;
}

/** What stands once before the arguments of all commits of a call. */
export function commitLimits(limits: StoreLimits): string[] {
  return [
    ttl(limits.recordTtl),
    ttl(limits.linger),
    // No limit is written as Infinity, which Lua does not read everywhere.
    String(Math.min(limits.maxPackets, Number.MAX_SAFE_INTEGER)),
    String(Math.min(limits.maxPacketChars, Number.MAX_SAFE_INTEGER)),
  ];
}

/** Appends the arguments of one commit. Returns about how many bytes they are. */
export function pushCommit(args: string[], commit: Commit): number {
  const { packets, posts, inflight, data } = commit;
  const chars = charsOf(packets);
  const t = inflight === null ? "" : inflight.t;
  args.push(
    commit.node,
    String(commit.turn),
    String(commit.acked),
    t,
    inflight === null ? "" : String(inflight.upTo),
    String(commit.keep),
    letters(commit),
    String(packets.length),
    String(posts.length),
    String(chars),
  );
  let size = 300 + t.length + chars;
  for (const packet of packets) args.push(listed(packet));
  for (const post of posts) {
    args.push(post);
    size += post.length;
  }
  if (data === undefined) return size;
  args.push(data);
  return size + data.length;
}

function letters({ refresh, transport, phase, data }: Commit): string {
  let said = refresh ? "r" : "";
  if (transport !== undefined) said += TRANSPORT_LETTERS[transport];
  if (phase !== undefined) said += PHASE_LETTERS[phase];
  return data === undefined ? said : said + "d";
}

/** A packet as the record's list has it: its length first, since limits count as JavaScript does and Lua cannot. */
function listed(packet: string): string {
  return `${packet.length}:${packet}`;
}

function charsOf(packets: readonly string[]): number {
  let chars = 0;
  for (const packet of packets) chars += packet.length;
  return chars;
}

/** Redis takes whole milliseconds only, and 0 would delete. */
function ttl(milliseconds: number): string {
  return String(Math.max(Math.ceil(milliseconds), 1));
}
