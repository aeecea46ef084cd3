const words: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name cannot be resolved",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "the connection was cut",
  ECONNABORTED: "the connection was cut",
  ETIMEDOUT: "no answer",
  UND_ERR_CONNECT_TIMEOUT: "no answer",
  UND_ERR_HEADERS_TIMEOUT: "no answer",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  EADDRNOTAVAIL: "the network cannot be reached",
  EACCES: "this machine does not allow the connection",
  EMFILE: "this process has too many files open",
  ENFILE: "this machine has too many files open",
  ENOENT: "no such file",
  UND_ERR_HEADERS_OVERFLOW: "the headers of its answer are too long",
};

/** Describes why a request could not be made. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code in words) return words[code] ?? "";
  if (code.startsWith("HPE_")) return "its answer is not HTTP";
  const refused = proxyStatus(error);
  if (refused === 407) return "the proxy requires a user name and a password";
  if (refused !== undefined) return `the proxy refuses to connect: ${refused}`;
  const message = (error as Error).message ?? String(error);
  return message === "" ? code || "unknown" : message;
}

/** The status with which a proxy refused CONNECT. undici 7 has no field for it, only these two messages (lib/dispatcher/proxy-agent.js). */
function proxyStatus(error: unknown): number | undefined {
  const said = /Proxy response \((\d+)\)|Proxy Authentication Required \((407)\)/.exec(
    (error as Error)?.message ?? "",
  );
  return said ? Number(said[1] ?? said[2]) : undefined;
}

/** True if a retry cannot help: bad certificates, a server without TLS, names that do not exist. */
export function isFinal(error: unknown): boolean {
  const code = codeOf(error);
  const status = proxyStatus(error);
  return (
    (status !== undefined && (status < 500 || status > 599)) ||
    /^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|EPROTO|UND_ERR_PRX_TLS|HPE_|EACCES)/.test(
      code,
    )
  );
}

// If several addresses of a host were tried, each has its own failure; the first one is enough.
function codeOf(error: unknown): string {
  const { code, errors, cause } = (error ?? {}) as {
    code?: unknown;
    errors?: { code?: unknown }[];
    cause?: { code?: unknown };
  };
  const found = code ?? errors?.[0]?.code ?? cause?.code;
  return typeof found === "string" ? found : "";
}
