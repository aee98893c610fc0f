/** How the primary tells its workers where the hub listens, and what to show it: environment variables of their processes. */
export const HUB_PATH_VARIABLE = "ENGINE_IO_CLUSTER_HUB_PATH";
export const HUB_TOKEN_VARIABLE = "ENGINE_IO_CLUSTER_HUB_TOKEN";

export interface HubAddress {
  readonly path: string;
  readonly token: string;
}

/** What to put into a worker's environment. */
export function hubEnvironment(address: HubAddress): Record<string, string> {
  return { [HUB_PATH_VARIABLE]: address.path, [HUB_TOKEN_VARIABLE]: address.token };
}

/** What a worker finds in its environment; `undefined` where no primary has put it there. */
export function hubFromEnvironment(environment: Readonly<Record<string, string | undefined>>): HubAddress | undefined {
  const path = environment[HUB_PATH_VARIABLE];
  const token = environment[HUB_TOKEN_VARIABLE];
  return path === undefined || token === undefined ? undefined : { path, token };
}
