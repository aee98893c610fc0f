import { EventEmitter } from "node:events";
import { positive, size } from "../option-error";
import {
  resolveCompression,
  resolveCookie,
  resolveDeflate,
  type AllowRequest,
  type AuthorizeRequest,
  type CookieOptions,
  type HttpCompressionOptions,
  type ResolvedOptions,
} from "../options";
import type { PerMessageDeflateOptions } from "ws";
import type { TransportName } from "../protocol/names";
import type { RawData } from "../protocol/packet";

/** The options as properties of the server, as engine.io 3 has them. Those that are read with each request can be set. */
export abstract class OptionsFace extends EventEmitter {
  abstract readonly opts: ResolvedOptions;

  get pingTimeout(): number {
    return this.opts.pingTimeout;
  }

  set pingTimeout(ms: number) {
    this.opts.pingTimeout = positive("pingTimeout", ms);
  }

  get pingInterval(): number {
    return this.opts.pingInterval;
  }

  set pingInterval(ms: number) {
    this.opts.pingInterval = positive("pingInterval", ms);
  }

  get upgradeTimeout(): number {
    return this.opts.upgradeTimeout;
  }

  set upgradeTimeout(ms: number) {
    this.opts.upgradeTimeout = positive("upgradeTimeout", ms);
  }

  get maxHttpBufferSize(): number {
    return this.opts.maxHttpBufferSize;
  }

  set maxHttpBufferSize(bytes: number) {
    this.opts.maxHttpBufferSize = size("maxHttpBufferSize", bytes);
  }

  get transports(): TransportName[] {
    return this.opts.transports;
  }

  set transports(names: TransportName[]) {
    this.opts.transports = names;
  }

  get allowUpgrades(): boolean {
    return this.opts.allowUpgrades;
  }

  set allowUpgrades(allowed: boolean) {
    this.opts.allowUpgrades = allowed;
  }

  get authorizeRequest(): AuthorizeRequest | undefined {
    return this.opts.authorizeRequest;
  }

  set authorizeRequest(ask: AuthorizeRequest | undefined) {
    this.opts.authorizeRequest = ask;
  }

  get allowRequest(): AllowRequest | undefined {
    return this.opts.allowRequest;
  }

  set allowRequest(ask: AllowRequest | undefined) {
    this.opts.allowRequest = ask;
  }

  get initialPacket(): RawData | undefined {
    return this.opts.initialPacket;
  }

  set initialPacket(data: RawData | undefined) {
    this.opts.initialPacket = data;
  }

  /** The name of the cookie, or false. */
  get cookie(): string | false {
    return this.opts.cookie === false ? false : this.opts.cookie.name;
  }

  set cookie(cookie: boolean | string | CookieOptions) {
    const { cookiePath, cookieHttpOnly } = this;
    const compat = this.opts.compat === undefined ? {} : { compat: this.opts.compat };
    this.opts.cookie = resolveCookie({ ...compat, cookie, cookiePath, cookieHttpOnly });
  }

  get cookiePath(): string | false {
    const { cookie } = this.opts;
    return cookie === false ? "/" : (cookie.path ?? false);
  }

  set cookiePath(path: string | false) {
    this.#changeCookie(path, this.cookieHttpOnly);
  }

  get cookieHttpOnly(): boolean {
    const { cookie } = this.opts;
    return cookie === false ? true : cookie.httpOnly === true;
  }

  set cookieHttpOnly(httpOnly: boolean) {
    this.#changeCookie(this.cookiePath, httpOnly);
  }

  #changeCookie(path: string | false, httpOnly: boolean): void {
    const { cookie } = this.opts;
    if (cookie === false) return;
    const { path: _before, ...rest } = cookie;
    this.opts.cookie = path === false ? { ...rest, httpOnly: false } : { ...rest, path, httpOnly };
  }

  /** Of websockets that come from now on; what was negotiated stays. Call `init` to negotiate otherwise. */
  get perMessageDeflate(): false | PerMessageDeflateOptions {
    return this.opts.perMessageDeflate;
  }

  set perMessageDeflate(deflate: boolean | PerMessageDeflateOptions) {
    this.opts.perMessageDeflate = resolveDeflate(deflate);
  }

  get httpCompression(): false | (HttpCompressionOptions & { readonly threshold: number }) {
    return this.opts.httpCompression;
  }

  set httpCompression(compression: boolean | HttpCompressionOptions) {
    this.opts.httpCompression = resolveCompression(compression);
  }

  /** Used by `init`. */
  get wsEngine(): unknown {
    return this.opts.wsEngine;
  }

  set wsEngine(engine: unknown) {
    this.opts.wsEngine = engine;
  }
}
