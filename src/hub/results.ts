import type { Reader } from "../bus/frame";
import type {
  Away,
  ClaimResult,
  CommitResult,
  HandshakeResult,
  LeaseResult,
  LivingNode,
  LookResult,
  OpenResult,
  RestoreResult,
  Unknown,
} from "../store/port";
import { type ByteWriter, readText, readTexts } from "./bytes";
import { kindOfSession, phaseCode, protocolOf, readPhase, readRecord, transportOf, writeRecord } from "./operations";

export type RenewResult = { readonly kind: "ok"; readonly lost: readonly string[] } | Away;
export type SliceResult = { readonly kind: "ok"; readonly cursor: string; readonly sids: readonly string[] } | Away;

const OK = 0;
const AWAY = 1;
const UNKNOWN = 2;
const FENCED = 3;
const BEHIND = 4;
const OVERFLOW = 5;
const EXISTS = 6;
const NO = 7;
const FOUND = 8;

// Most answers say nothing but their kind: one object for all of them.
export const okResult = Object.freeze({ kind: "ok" } as const);
export const awayResult: Away = Object.freeze({ kind: "away" } as const);
const unknownResult: Unknown = Object.freeze({ kind: "unknown" } as const);
const behindResult = Object.freeze({ kind: "behind" } as const);
export const overflowResult = Object.freeze({ kind: "overflow" } as const);
const existsResult = Object.freeze({ kind: "exists" } as const);

const CODES = Object.freeze({
  ok: OK,
  away: AWAY,
  unknown: UNKNOWN,
  fenced: FENCED,
  behind: BEHIND,
  overflow: OVERFLOW,
  exists: EXISTS,
  no: NO,
  found: FOUND,
});

/** The answers to `open`, `commit` and `restore`. */
export function writeOutcome(out: ByteWriter, result: OpenResult | CommitResult | RestoreResult): void {
  out.byte(CODES[result.kind]);
  if (result.kind !== "fenced") return;
  out.text(result.owner);
  out.varint(result.turn);
}

export function readCommitResult(reader: Reader): CommitResult {
  switch (reader.byte()) {
    case OK:
      return okResult;
    case BEHIND:
      return behindResult;
    case OVERFLOW:
      return overflowResult;
    case UNKNOWN:
      return unknownResult;
    case FENCED:
      return { kind: "fenced", owner: readText(reader), turn: reader.varint() };
    case AWAY:
      return awayResult;
    default:
      return foreign(reader);
  }
}

export function readOpenResult(reader: Reader): OpenResult {
  const code = reader.byte();
  if (code === OK) return okResult;
  if (code === EXISTS) return existsResult;
  return code === AWAY ? awayResult : foreign(reader);
}

export function readRestoreResult(reader: Reader): RestoreResult {
  const code = reader.byte();
  if (code === OK) return okResult;
  if (code === FENCED) return { kind: "fenced", owner: readText(reader), turn: reader.varint() };
  return code === AWAY ? awayResult : foreign(reader);
}

export function writeLookResult(out: ByteWriter, result: LookResult): void {
  out.byte(CODES[result.kind]);
  if (result.kind !== "found") return;
  out.byte(kindOfSession(result.protocol, result.transport) | (phaseCode(result.phase) << 2));
  out.text(result.owner);
  out.varint(result.turn);
}

export function readLookResult(reader: Reader): LookResult {
  const code = reader.byte();
  if (code === UNKNOWN) return unknownResult;
  if (code !== FOUND) return code === AWAY ? awayResult : foreign(reader);
  const kind = reader.byte();
  return {
    kind: "found",
    phase: readPhase(reader, kind >> 2),
    protocol: protocolOf(kind),
    transport: transportOf(kind),
    owner: readText(reader),
    turn: reader.varint(),
  };
}

export function writeHandshakeResult(out: ByteWriter, result: HandshakeResult): void {
  out.byte(CODES[result.kind]);
  if (result.kind === "found") out.text(result.handshake);
}

export function readHandshakeResult(reader: Reader): HandshakeResult {
  const code = reader.byte();
  if (code === FOUND) return { kind: "found", handshake: readText(reader) };
  if (code === UNKNOWN) return unknownResult;
  return code === AWAY ? awayResult : foreign(reader);
}

export function writeClaimResult(out: ByteWriter, result: ClaimResult): void {
  out.byte(CODES[result.kind]);
  if (result.kind === "ok") writeRecord(out, result.record);
  else if (result.kind === "no") {
    out.text(result.owner);
    out.varint(result.turn);
  }
}

export function readClaimResult(reader: Reader): ClaimResult {
  const code = reader.byte();
  if (code === OK) return { kind: "ok", record: readRecord(reader) };
  if (code === NO) return { kind: "no", owner: readText(reader), turn: reader.varint() };
  if (code === UNKNOWN) return unknownResult;
  return code === AWAY ? awayResult : foreign(reader);
}

export function writeRenewResult(out: ByteWriter, result: RenewResult): void {
  out.byte(CODES[result.kind]);
  if (result.kind === "ok") out.texts(result.lost);
}

export function readRenewResult(reader: Reader): RenewResult {
  const code = reader.byte();
  if (code === OK) return { kind: "ok", lost: readTexts(reader) };
  return code === AWAY ? awayResult : foreign(reader);
}

export function writeLeaseResult(out: ByteWriter, result: LeaseResult): void {
  out.byte(CODES[result.kind]);
  if (result.kind !== "ok") return;
  out.varint(result.nodes.length);
  for (const { node, incarnation } of result.nodes) {
    out.text(node);
    out.varint(incarnation);
  }
}

export function readLeaseResult(reader: Reader): LeaseResult {
  const code = reader.byte();
  if (code !== OK) return code === AWAY ? awayResult : foreign(reader);
  const nodes: LivingNode[] = [];
  const count = reader.varint();
  for (let i = 0; i < count && !reader.failed; i++)
    nodes.push({ node: readText(reader), incarnation: reader.varint() });
  return { kind: "ok", nodes };
}

export function writeSliceResult(out: ByteWriter, result: SliceResult): void {
  out.byte(CODES[result.kind]);
  if (result.kind !== "ok") return;
  out.text(result.cursor);
  out.texts(result.sids);
}

export function readSliceResult(reader: Reader): SliceResult {
  const code = reader.byte();
  if (code === OK) return { kind: "ok", cursor: readText(reader), sids: readTexts(reader) };
  return code === AWAY ? awayResult : foreign(reader);
}

function foreign(reader: Reader): Away {
  reader.failed = true;
  return awayResult;
}
