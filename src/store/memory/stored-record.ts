import type { Commit, InFlight, NodeId, Opening, SessionPhase, SessionRecord, TransportName } from "../port";

/** A record as it lies in memory: what `SessionRecord` says, changeable, with what the limits and the end need. */
export interface StoredRecord {
  owner: NodeId;
  turn: number;
  protocol: 3 | 4;
  transport: TransportName;
  phase: SessionPhase;
  acked: number;
  packets: string[];
  inflight: InFlight | null;
  answered: string[];
  handled: string[];
  handshake: string;
  data: string;
  /** Characters of all `packets`. */
  chars: number;
  /** When it is over, by the clock of the records. */
  expires: number;
}

export function recordFrom(opening: Opening, expires: number): StoredRecord {
  return {
    owner: opening.node,
    turn: 0,
    protocol: opening.protocol,
    transport: opening.transport,
    phase: "open",
    acked: 0,
    packets: [],
    inflight: null,
    answered: [],
    handled: [],
    handshake: opening.handshake,
    data: "",
    chars: 0,
    expires,
  };
}

/** A copy that shares nothing that can change, in either direction of the border. */
export function copyOut(record: SessionRecord) {
  const { owner, turn, protocol, transport, phase, acked, inflight, handshake, data } = record;
  return {
    owner,
    turn,
    protocol,
    transport,
    phase,
    acked,
    packets: [...record.packets],
    inflight: inflight === null ? null : { t: inflight.t, upTo: inflight.upTo },
    answered: [...record.answered],
    handled: [...record.handled],
    handshake,
    data,
  };
}

/** What the write buffer would hold after the turn: looked at before anything is changed. */
export function bufferAfter(record: StoredRecord, commit: Commit): { packets: number; chars: number } {
  const dropped = arrived(record, commit.acked);
  let chars = record.chars;
  for (let i = 0; i < dropped; i++) chars -= record.packets[i]?.length ?? 0;
  for (const packet of commit.packets) chars += packet.length;
  return { packets: record.packets.length - dropped + commit.packets.length, chars };
}

/** Applies a turn that was found to be the next one and within the limits. */
export function appendTurn(record: StoredRecord, commit: Commit, chars: number): void {
  const dropped = arrived(record, commit.acked);
  if (dropped > 0) record.packets.splice(0, dropped);
  // Never back. Beyond the last packet, the numbers go on from there, as the owner counts them.
  record.acked = Math.max(record.acked, commit.acked);
  record.packets.push(...commit.packets);
  record.chars = chars;
  record.turn = commit.turn;
  const before = record.inflight;
  if (before !== null && before.t !== commit.inflight?.t) pushRing(record.answered, [before.t], commit.keep);
  record.inflight = commit.inflight === null ? null : { t: commit.inflight.t, upTo: commit.inflight.upTo };
  pushRing(record.handled, commit.posts, commit.keep);
  if (commit.transport !== undefined) record.transport = commit.transport;
  if (commit.data !== undefined) record.data = commit.data;
  if (commit.phase !== undefined) record.phase = commit.phase;
}

function arrived(record: StoredRecord, acked: number): number {
  return Math.min(Math.max(acked - record.acked, 0), record.packets.length);
}

/** Keeps at least the newest `keep`; trims only at twice as many, so that most turns move nothing. */
function pushRing(ring: string[], keys: readonly string[], keep: number): void {
  if (keys.length === 0) return;
  ring.push(...keys);
  if (ring.length > 2 * keep) ring.splice(0, ring.length - keep);
}
