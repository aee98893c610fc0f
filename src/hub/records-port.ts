import type {
  ClaimResult,
  Commit,
  CommitResult,
  HandshakeResult,
  LeaseResult,
  LookResult,
  NodeId,
  Opening,
  OpenResult,
  RestoreResult,
  SessionRecord,
} from "../store/port";
import type { RenewResult, SliceResult } from "./results";

/**
 * What the primary asks of the records in its memory: the operations of `SessionStore`, each done when it returns.
 * That they are is what gives the answers of one connection their order.
 */
export interface HubRecords {
  open(opening: Opening): OpenResult;
  look(sid: string): LookResult;
  handshake(sid: string): HandshakeResult;
  commit(commit: Commit): CommitResult;
  claim(sid: string, node: NodeId, turn: number): ClaimResult;
  restore(sid: string, record: SessionRecord): RestoreResult;
  renew(node: NodeId, sids: readonly string[]): RenewResult;
  lease(node: NodeId, incarnation: number, takes: boolean): LeaseResult;
  release(node: NodeId): void;
  index(node: NodeId, add: readonly string[], remove: readonly string[]): void;
  indexSlice(node: NodeId, cursor: string): SliceResult;
}
