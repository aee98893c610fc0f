import type { NodeId, SessionStore } from "../store/port";
import { UnavailableError } from "./remote-sends";

/** Sessions in the indexes of these nodes. */
export async function countSessions(store: SessionStore, nodes: readonly NodeId[]): Promise<number> {
  let count = 0;
  for (const node of nodes) count += await countOf(store, node);
  return count;
}

async function countOf(store: SessionStore, node: NodeId): Promise<number> {
  // By name: a slice may show a session twice.
  const sids = new Set<string>();
  let cursor = "0";
  do {
    const slice = await store.indexSlice(node, cursor);
    if (slice.kind === "away") throw new UnavailableError("cluster.count");
    for (const sid of slice.sids) sids.add(sid);
    cursor = slice.cursor;
  } while (cursor !== "0");
  return sids.size;
}
