import type {
  ClaimResult,
  CommitResult,
  HandshakeResult,
  LivingNode,
  LookResult,
  OpenResult,
  RestoreResult,
  SessionPhase,
  TransportName,
} from "../port";
import { FORMAT } from "./arguments";
import { decodeName } from "./keys";

/** What a script answered, as the port says it. Codes as in `lua/parts/record.lua`. */
const CODES = { ok: 1, unknown: 2, behind: 3, overflow: 4, exists: 5 } as const;

const OK = { kind: "ok" } as const;
const UNKNOWN = { kind: "unknown" } as const;
const BEHIND = { kind: "behind" } as const;
const OVERFLOW = { kind: "overflow" } as const;
const EXISTS = { kind: "exists" } as const;

const PHASES: Readonly<Record<string, SessionPhase>> = { o: "open", c: "closing", x: "closed" };
const TRANSPORTS: Readonly<Record<string, TransportName>> = { p: "polling", w: "websocket" };

export function openResult(reply: unknown): OpenResult {
  if (reply === CODES.ok) return OK;
  if (reply === CODES.exists) return EXISTS;
  throw unexpected(reply);
}

export function lookResult(reply: unknown): LookResult {
  if (reply === CODES.unknown) return UNKNOWN;
  const [owner, turn, protocol, transport, phase, format] = texts(reply);
  if (format !== FORMAT) throw otherFormat(format);
  return { kind: "found", owner: text(owner), turn: Number(turn), ...kindOf(protocol, transport, phase) };
}

export function handshakeResult(reply: unknown): HandshakeResult {
  return reply === null ? UNKNOWN : { kind: "found", handshake: text(reply) };
}

/** Of one commit. A text is an error, which is the caller's to report. */
export function commitResult(reply: unknown): CommitResult | string {
  switch (reply) {
    case CODES.ok:
      return OK;
    case CODES.unknown:
      return UNKNOWN;
    case CODES.behind:
      return BEHIND;
    case CODES.overflow:
      return OVERFLOW;
  }
  if (typeof reply === "string") return reply;
  return standing("fenced", reply);
}

export function claimResult(reply: unknown): ClaimResult {
  if (reply === CODES.unknown) return UNKNOWN;
  const fields = list(reply);
  if (fields.length === 2) return standing("no", reply);
  const [owner, turn, format, protocol, transport, phase, acked, t, upTo] = fields;
  if (format !== FORMAT) throw otherFormat(format);
  const [packets, answered, handled, handshake, data] = fields.slice(9);
  return {
    kind: "ok",
    record: {
      owner: text(owner),
      turn: Number(turn),
      ...kindOf(protocol, transport, phase),
      acked: Number(acked),
      packets: texts(packets).map(unlisted),
      inflight: upTo === "" ? null : { t: text(t), upTo: Number(upTo) },
      answered: texts(answered),
      handled: texts(handled),
      handshake: text(handshake),
      data: text(data),
    },
  };
}

export function restoreResult(reply: unknown): RestoreResult {
  return reply === CODES.ok ? OK : standing("fenced", reply);
}

/** The sids at the places, counted from 1, that the script names. */
export function lostSids(reply: unknown, sids: readonly string[]): string[] {
  return list(reply).map((place) => {
    const sid = sids[Number(place) - 1];
    if (sid === undefined) throw unexpected(reply);
    return sid;
  });
}

/** Whether the node that asked had a lease before. What cannot be read says nothing against it. */
export function stood(reply: unknown): boolean {
  return !Array.isArray(reply) || reply[0] !== 0;
}

export function leases(reply: unknown): LivingNode[] {
  const [, ...pairs] = texts(reply);
  const nodes: LivingNode[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    nodes.push({ node: decodeName(text(pairs[i])), incarnation: Number(pairs[i + 1]) });
  }
  return nodes;
}

export function slice(reply: unknown): { kind: "ok"; cursor: string; sids: string[] } {
  const [cursor, sids] = list(reply);
  return { kind: "ok", cursor: text(cursor), sids: texts(sids).map(decodeName) };
}

function standing<Kind extends "fenced" | "no">(kind: Kind, reply: unknown) {
  const [owner, turn] = texts(reply);
  return { kind, owner: text(owner), turn: Number(turn) };
}

function kindOf(protocol: unknown, transport: unknown, phase: unknown) {
  const name = TRANSPORTS[text(transport)];
  const state = PHASES[text(phase)];
  if (name === undefined || state === undefined) throw unexpected([protocol, transport, phase]);
  return { protocol: protocol === "3" ? 3 : 4, transport: name, phase: state } as const;
}

/** The packet behind its length. */
function unlisted(packet: string): string {
  return packet.slice(packet.indexOf(":") + 1);
}

function list(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply as unknown[];
  throw unexpected(reply);
}

function texts(reply: unknown): string[] {
  return list(reply).map(text);
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw unexpected(value);
}

function unexpected(reply: unknown): Error {
  return new Error(`an answer that this version does not know (${typeof reply})`);
}

function otherFormat(format: unknown): Error {
  return new Error(
    `a record of format ${JSON.stringify(format)}, and this version reads format ${FORMAT}: ` +
      "finish the update of all nodes, or go back to the version that wrote it",
  );
}
