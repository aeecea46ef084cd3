import { BlockList, isIP } from "node:net";
import { TbuildError } from "../errors.ts";

/** Reads an environment variable. */
export type Environment = (name: string) => string | undefined;

/** The proxy for a URL; `undefined` for a direct connection. */
export type ProxyFor = (url: URL) => URL | undefined;

/**
 * The proxies of an environment, read as curl does: `https_proxy`, `http_proxy` and `all_proxy` in lower or upper case,
 * and `no_proxy` for direct connections. A loopback address is this machine's own, so it is used through a proxy only if
 * the proxy runs on this machine too.
 */
export function proxiesOf(environment: Environment): ProxyFor {
  const setting = (...names: string[]) => {
    for (const name of names) {
      const value = environment(name) ?? environment(name.toUpperCase());
      if (value !== undefined) return { name, value: value.trim() };
    }
    return undefined;
  };
  const isExempt = exemptions(setting("no_proxy")?.value ?? "");
  return (url) => {
    const found = setting(url.protocol === "https:" ? "https_proxy" : "http_proxy", "all_proxy");
    if (found === undefined || found.value === "" || isExempt(url)) return undefined;
    const proxy = proxyUrl(found.value, found.name);
    return isLoopback(url.hostname) && !isLoopback(proxy.hostname) ? undefined : proxy;
  };
}

/** `proxy:3128` and `http://user:password@proxy:3128`; `name` says where it was set. */
export function proxyUrl(text: string, name: string): URL {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  // The value is not quoted: it may contain a password.
  if (!URL.canParse(full))
    throw new TbuildError("usage", "is not the address of a proxy", {
      subject: name,
      hint: "For example http://proxy.example.com:3128.",
    });
  const url = new URL(full);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new TbuildError("usage", `${url.protocol}// proxies are not supported`, {
      subject: name,
      hint: "Use an http:// or https:// proxy.",
    });
  return url;
}

/** A proxy without its user and password, for messages. */
export function shownProxy(proxy: URL): string {
  return `${proxy.protocol}//${proxy.host}`;
}

/** Parses NO_PROXY: domain names with their subdomains, `*`, addresses, ranges (10.0.0.0/8), each with an optional port. */
function exemptions(text: string): (url: URL) => boolean {
  const rules = text
    .split(/[\s,;]+/)
    .filter(Boolean)
    .map(exemption);
  return (url) => {
    const host = bare(url.hostname);
    const port = url.port || (url.protocol === "https:" ? "443" : "80");
    return rules.some((rule) => rule(host, port));
  };
}

function exemption(entry: string): (host: string, port: string) => boolean {
  const [, name = entry, wanted] =
    /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry.replace(/^https?:\/\//i, "").replace(/\/$/, "")) ?? [];
  const fits = hostRule(
    bare(
      name
        .replace(/^https?:\/\//i, "")
        .replace(/\/$/, "")
        .toLowerCase(),
    ),
  );
  return (host, port) => (wanted === undefined || wanted === port) && fits(host);
}

function hostRule(entry: string): (host: string) => boolean {
  const [address = "", bits] = entry.split("/");
  const family = isIP(address);
  if (family !== 0) {
    const list = new BlockList();
    const kind = family === 4 ? "ipv4" : "ipv6";
    const length = Number(bits ?? (family === 4 ? 32 : 128));
    if (!Number.isInteger(length) || length < 0 || length > (family === 4 ? 32 : 128)) return () => false;
    list.addSubnet(address, length, kind);
    return (host) => isIP(host) !== 0 && list.check(host, isIP(host) === 4 ? "ipv4" : "ipv6");
  }
  const name = entry.replace(/^\*?\.(?=.)/, "");
  if (!name.includes("*")) return (host) => host === name || host.endsWith(`.${name}`);
  const parts = name.split("*").map((part) => part.replace(/[^\w-]/g, "\\$&"));
  const pattern = new RegExp(`^${parts.join(".*")}$`);
  return (host) => pattern.test(host);
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

function isLoopback(host: string): boolean {
  const name = bare(host.toLowerCase());
  return (
    name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127(\.\d+){3}$/.test(name)
  );
}
