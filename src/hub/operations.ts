import type { Reader } from "../bus/frame";
import type { Commit, InFlight, Opening, SessionPhase, SessionRecord, TransportName } from "../store/port";
import { type ByteWriter, readText, readTexts } from "./bytes";
import type { NodeNames } from "./entries";

const PHASES: readonly SessionPhase[] = ["open", "closing", "closed"];

const WEBSOCKET = 1;
const PROTOCOL_4 = 2;

const INFLIGHT = 1;
const REFRESH = 2;
const TRANSPORT = 4;
const TO_WEBSOCKET = 8;
const DATA = 16;
/** Two bits: 0 where the commit says nothing of the phase, else its place in `PHASES` plus one. */
const PHASE_SHIFT = 5;
const COMMIT_FLAGS = 0x7f;

export function writeOpening(out: ByteWriter, names: NodeNames, opening: Opening): void {
  names.write(out, opening.node);
  out.text(opening.sid);
  out.byte(kindOfSession(opening.protocol, opening.transport));
  out.text(opening.handshake);
}

export function readOpening(reader: Reader, names: NodeNames): Opening {
  const node = names.read(reader);
  const sid = readText(reader);
  const kind = reader.byte();
  if (kind > (WEBSOCKET | PROTOCOL_4)) reader.failed = true;
  return { sid, node, protocol: protocolOf(kind), transport: transportOf(kind), handshake: readText(reader) };
}

export function writeCommit(out: ByteWriter, names: NodeNames, commit: Commit): void {
  const { inflight, transport, data, phase } = commit;
  let flags = 0;
  if (inflight !== null) flags |= INFLIGHT;
  if (commit.refresh) flags |= REFRESH;
  if (transport !== undefined) flags |= transport === "websocket" ? TRANSPORT | TO_WEBSOCKET : TRANSPORT;
  if (data !== undefined) flags |= DATA;
  if (phase !== undefined) flags |= (PHASES.indexOf(phase) + 1) << PHASE_SHIFT;
  out.byte(flags);
  names.write(out, commit.node);
  out.text(commit.sid);
  out.varint(commit.turn);
  out.varint(commit.acked);
  out.varint(commit.keep);
  if (inflight !== null) writeInflight(out, inflight);
  out.texts(commit.packets);
  out.texts(commit.posts);
  if (data !== undefined) out.text(data);
}

export function readCommit(reader: Reader, names: NodeNames): Commit {
  const flags = reader.byte();
  if (flags > COMMIT_FLAGS) reader.failed = true;
  const node = names.read(reader);
  const commit: { -readonly [K in keyof Commit]: Commit[K] } = {
    sid: readText(reader),
    node,
    turn: reader.varint(),
    acked: reader.varint(),
    keep: reader.varint(),
    refresh: (flags & REFRESH) !== 0,
    inflight: (flags & INFLIGHT) === 0 ? null : readInflight(reader),
    packets: readTexts(reader),
    posts: readTexts(reader),
  };
  // Absent is not the same as `undefined` to a store that looks for the property.
  if ((flags & TRANSPORT) !== 0) commit.transport = (flags & TO_WEBSOCKET) === 0 ? "polling" : "websocket";
  const phase = flags >> PHASE_SHIFT;
  if (phase > 0) commit.phase = PHASES[phase - 1] ?? "open";
  if ((flags & DATA) !== 0) commit.data = readText(reader);
  return commit;
}

export function writeRecord(out: ByteWriter, record: SessionRecord): void {
  const { inflight } = record;
  let flags = kindOfSession(record.protocol, record.transport);
  flags |= PHASES.indexOf(record.phase) << 2;
  if (inflight !== null) flags |= 16;
  out.byte(flags);
  out.text(record.owner);
  out.varint(record.turn);
  out.varint(record.acked);
  if (inflight !== null) writeInflight(out, inflight);
  out.texts(record.packets);
  out.texts(record.answered);
  out.texts(record.handled);
  out.text(record.handshake);
  out.text(record.data);
}

export function readRecord(reader: Reader): SessionRecord {
  const flags = reader.byte();
  if (flags > 31) reader.failed = true;
  return {
    protocol: protocolOf(flags),
    transport: transportOf(flags),
    phase: readPhase(reader, (flags >> 2) & 3),
    owner: readText(reader),
    turn: reader.varint(),
    acked: reader.varint(),
    inflight: (flags & 16) === 0 ? null : readInflight(reader),
    packets: readTexts(reader),
    answered: readTexts(reader),
    handled: readTexts(reader),
    handshake: readText(reader),
    data: readText(reader),
  };
}

export function kindOfSession(protocol: 3 | 4, transport: TransportName): number {
  return (transport === "websocket" ? WEBSOCKET : 0) | (protocol === 4 ? PROTOCOL_4 : 0);
}

export function protocolOf(kind: number): 3 | 4 {
  return (kind & PROTOCOL_4) === 0 ? 3 : 4;
}

export function transportOf(kind: number): TransportName {
  return (kind & WEBSOCKET) === 0 ? "polling" : "websocket";
}

export function phaseCode(phase: SessionPhase): number {
  return PHASES.indexOf(phase);
}

export function readPhase(reader: Reader, code: number): SessionPhase {
  const phase = PHASES[code];
  if (phase === undefined) reader.failed = true;
  return phase ?? "open";
}

function writeInflight(out: ByteWriter, inflight: InFlight): void {
  out.text(inflight.t);
  out.varint(inflight.upTo);
}

function readInflight(reader: Reader): InFlight {
  return { t: readText(reader), upTo: reader.varint() };
}
