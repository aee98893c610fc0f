import { nkeys } from "nats";

/** What is used here of a pair of keys; the client's types say nothing of them. */
export interface Key {
  getPublicKey(): string;
  getSeed(): Uint8Array;
  sign(text: Uint8Array): Uint8Array;
}

const keys = nkeys as Readonly<Record<"createOperator" | "createAccount" | "createUser", () => Key>>;

export function userKey(): Key {
  return keys.createUser();
}

export function seedOf(key: Key): string {
  return new TextDecoder().decode(key.getSeed());
}

/** A server's configuration with an operator and one account, and the credentials of a user who has these subjects. */
export function credentialsFor(subjects: string): { readonly server: string; readonly credentials: string } {
  const operator = keys.createOperator();
  const account = keys.createAccount();
  const user = userKey();
  const unlimited = { subs: -1, data: -1, payload: -1 };
  const operatorJwt = signed(operator, operator, { type: "operator" });
  const limits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountJwt = signed(operator, account, { type: "account", limits });
  const allowed = { allow: [subjects] };
  const userJwt = signed(account, user, { type: "user", pub: allowed, sub: allowed, ...unlimited });
  const server = [
    `operator: "${operatorJwt}"`,
    "resolver: MEMORY",
    `resolver_preload { ${account.getPublicKey()}: "${accountJwt}" }`,
  ];
  const credentials = [
    "-----BEGIN NATS USER JWT-----",
    userJwt,
    "------END NATS USER JWT------",
    "",
    "-----BEGIN USER NKEY SEED-----",
    seedOf(user),
    "------END USER NKEY SEED------",
    "",
  ];
  return { server: server.join("\n"), credentials: credentials.join("\n") };
}

function signed(by: Key, of: Key, claims: object): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const sub = of.getPublicKey();
  const payload = { jti: sub, iat: 1_700_000_000, iss: by.getPublicKey(), name: "of a test", sub };
  const text = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode({ ...payload, nats: { ...claims, version: 2 } })}`;
  return `${text}.${Buffer.from(by.sign(new TextEncoder().encode(text))).toString("base64url")}`;
}
