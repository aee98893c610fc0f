import type { IncomingHttpHeaders } from "node:http";
import { BlockList, isIP, isIPv6 } from "node:net";
import type { TrustProxy } from "../limit-options";
import { OptionError } from "../option-error";

/** The networks that Express has names for. */
const NAMED: Readonly<Partial<Record<string, readonly string[]>>> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  linklocal: ["169.254.0.0/16", "fe80::/10"],
  uniquelocal: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
};

const ALLOWED = `false, a number of proxies, or a list of addresses, networks, ${Object.keys(NAMED).join(", ")}`;

/** What of a request says where it came from: also of one that a record tells of. */
export interface AddressedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** Whether the proxy with this address, so many hops from here, tells the truth. */
type Trusts = (address: string, hops: number) => boolean;

/** Finds the address of a request's client, past the proxies that are trusted. */
export class ClientAddress {
  readonly #trusts: Trusts | undefined;

  constructor(trust: TrustProxy) {
    this.#trusts = trustOf(trust);
  }

  /** Undefined where nothing says it: a unix socket, whose other side is not trusted or says nothing. */
  of({ headers, socket }: AddressedRequest): string | undefined {
    const peer = socket.remoteAddress === "" ? undefined : socket.remoteAddress;
    const said = headers["x-forwarded-for"];
    if (this.#trusts === undefined || said === undefined) return peer;
    const forwarded = String(said).split(",");
    let address = peer;
    let hops = 0;
    for (let i = forwarded.length - 1; i >= 0; i--) {
      // A unix socket's other side is no hop.
      if (address !== undefined && !this.#trusts(address, hops++)) break;
      const before = plain(forwarded[i] ?? "");
      // What is no address is nobody's: the proxy that said it stands for whoever is behind it.
      if (before === undefined) break;
      address = before;
    }
    return address;
  }
}

function trustOf(trust: unknown): Trusts | undefined {
  if (trust === false) return undefined;
  if (typeof trust === "number" && Number.isInteger(trust) && trust >= 0) return (_, hops) => hops < trust;
  const names = typeof trust === "string" ? trust.split(",") : trust;
  if (!Array.isArray(names) || names.length === 0) throw new OptionError("trustProxy", trust, ALLOWED);
  const list = new BlockList();
  for (const name of names as readonly unknown[]) {
    const networks = typeof name === "string" ? (NAMED[name.trim()] ?? [name.trim()]) : [];
    if (networks.length === 0) throw new OptionError("trustProxy", trust, ALLOWED);
    for (const network of networks) if (!addTo(list, network)) throw new OptionError("trustProxy", network, ALLOWED);
  }
  return (address) => list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

/** False where it is no network. */
function addTo(list: BlockList, network: string): boolean {
  const [address = "", bits, ...rest] = network.split("/");
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (version === 0 || rest.length > 0 || prefix < 0 || prefix > most) return false;
  list.addSubnet(address, prefix, version === 6 ? "ipv6" : "ipv4");
  return true;
}

/** An address as a proxy may write it, without port and brackets. */
function plain(text: string): string | undefined {
  const trimmed = text.trim();
  if (isIP(trimmed) !== 0) return trimmed;
  const [, bracketed, bare] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(trimmed) ?? [];
  const address = bracketed ?? bare ?? "";
  return isIP(address) === 0 ? undefined : address;
}

/**
 * By what addresses are counted: of IPv6 the network of 64 bits, since whoever has one address there has all of them.
 */
export function countedAddress(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const groups = head === "" ? [] : head.split(":");
  const behind = tail === undefined || tail === "" ? [] : tail.split(":");
  // An IPv4 address at the end counts for two groups.
  const units = groups.length + behind.length + (address.includes(".") ? 1 : 0);
  if (tail !== undefined) for (let i = units; i < 8; i++) groups.push("0");
  return [...groups, ...behind]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
