import type { LinkHandler } from "../bus/link-options";
import type { Links } from "../bus/links";
import { Isolation } from "../ownership/isolation";
import { Membership, type MembershipListener } from "../ownership/membership";
import { Sweeps, type SweepNode } from "../ownership/sweeps";
import { Adoptions } from "./adoptions";
import { Dispatch } from "./dispatch";
import type { GatewayNode } from "./gateway";
import { Gateways } from "./gateways";
import { GivenUp, type GivingNode } from "./given-up";
import { Handovers, type HandoverNode } from "./handovers";
import { Holder, type HolderNode } from "./holder";
import { Identities } from "./identities";
import { LostNodes } from "./lost-nodes";
import type { ClusterNodeOptions } from "./node-options";
import { OwnedSessions } from "./owned-sessions";
import { OwnerCache } from "./owner-cache";
import { Reach } from "./reach";
import { Relays, type RelayNode } from "./relays";
import { RemoteSends } from "./remote-sends";
import { Search } from "./search";
import { Standstill } from "./standstill";
import { StoreWatch } from "./store-watch";
import { TakenNotices, type NoticeNode } from "./taken-notices";
import { Takeovers, type TakeoverNode } from "./takeovers";

/** A node, as its parts know it. */
export interface WholeNode
  extends
    GatewayNode,
    GivingNode,
    HandoverNode,
    HolderNode,
    LinkHandler,
    MembershipListener,
    NoticeNode,
    RelayNode,
    SweepNode,
    TakeoverNode {
  /** See `IsolationOptions`. */
  withdraw(): void;
}

/** What a node is made of. */
export interface NodeParts {
  readonly links: Links;
  readonly membership: Membership;
  readonly isolation: Isolation;
  readonly standstill: Standstill;
  readonly storeWatch: StoreWatch;
  readonly lostNodes: LostNodes;
  readonly owned: OwnedSessions;
  readonly holder: Holder;
  readonly search: Search;
  readonly identities: Identities;
  readonly takeovers: Takeovers;
  readonly sweeps: Sweeps;
  readonly givenUp: GivenUp;
  readonly notices: TakenNotices;
  readonly relays: Relays;
  readonly gateways: Gateways;
  readonly handovers: Handovers;
  readonly sends: RemoteSends;
  readonly dispatch: Dispatch;
}

/** Makes the parts of a node, each with those that it needs; what happens between them is told to the node. */
export function partsOf(node: WholeNode, options: ClusterNodeOptions): NodeParts {
  const { id, clock, times, store, counters, events, engine, adopts } = options;
  const cache = new OwnerCache(options.ownerCache);
  const holder = new Holder(node, times);
  const links = options.links(node);
  const membership = new Membership({ node: id, store, clock, leaseTtl: times.leaseTtl, listener: node });
  const isolation = isolationOf(node, options, membership, links);
  const givenUp = new GivenUp(node);
  const shared = { id, counters, cache, membership, isolation };
  const lostNodes = new LostNodes({
    clock,
    withdrawal: times.pollGrace,
    recordTtl: times.recordTtl,
    probe: (lost) => {
      links.probe(lost);
    },
    lookAround: (withinMs) => membership.lookAround(withinMs),
  });
  const reach = new Reach({ ...shared, holder, links, givenUp, lostNodes, pollGrace: times.pollGrace });
  const owned = new OwnedSessions(options, reach);
  const storeWatch = storeWatchOf(options, owned, membership);
  const notices = new TakenNotices(node);
  const gateways = new Gateways(node);
  const adoptions = new Adoptions({ ...shared, clock, owned, notices, gateways, events, engine, adopts });
  const takeovers = new Takeovers(node, store, adoptions);
  const relays = new Relays(node);
  const handovers = new Handovers(node, { holder, gateways, takeovers, notices, handsOver: adopts });
  return {
    links,
    membership,
    isolation,
    standstill: new Standstill(clock, times.leaseTtl),
    storeWatch,
    lostNodes,
    owned,
    holder,
    search: new Search({ ...shared, clock, sessions: owned, store, takeovers, storeWatch }),
    identities: identitiesOf(options, owned, storeWatch),
    takeovers,
    sweeps: new Sweeps(node, store),
    givenUp,
    notices,
    relays,
    gateways,
    handovers,
    sends: new RemoteSends(id, options.tick, options.sendLimit, (asked, connection) => {
      holder.hold(asked, connection);
    }),
    dispatch: new Dispatch({
      ...shared,
      sessions: owned,
      holder,
      relays,
      gateways,
      handovers,
      takeovers,
      send: (to, frame) => {
        links.send(to, frame);
      },
    }),
  };
}

function isolationOf(
  node: WholeNode,
  { clock, times }: ClusterNodeOptions,
  membership: Membership,
  links: Links,
): Isolation {
  return new Isolation({
    clock,
    lease: membership,
    leaseTtl: times.leaseTtl,
    pollGrace: times.pollGrace,
    busConnected: () => links.connected,
    withdraw: () => {
      node.withdraw();
    },
  });
}

/** Other owners are given so long at least to restore what the store lost, in milliseconds: some clients try for seconds on their own. */
const RESTORED_WITHIN = 4000;

function storeWatchOf(
  { id, clock, store, times }: ClusterNodeOptions,
  owned: OwnedSessions,
  membership: Membership,
): StoreWatch {
  return new StoreWatch({
    node: id,
    clock,
    store,
    sessions: owned.all,
    patience: Math.max(times.leaseTtl, RESTORED_WITHIN),
    returned: () => {
      membership.storeReturned();
      owned.renewals.runNow();
    },
  });
}

function identitiesOf(
  { clock, store, times, ownerCache }: ClusterNodeOptions,
  owned: OwnedSessions,
  storeWatch: StoreWatch,
): Identities {
  return new Identities({
    clock,
    store,
    sessions: owned.all,
    capacity: ownerCache,
    keptFor: times.recordTtl,
    patience: times.giveUpAfter,
    recovering: () => storeWatch.recovering,
  });
}
