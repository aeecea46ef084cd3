/** How to reach the REST API of 3.3 and later: `https://HOST:7002/ovm/core/wsapi/rest` (Web Services API Developer's Guide 3.3). */
export interface RestLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: () => Promise<string>;
  /** SHA-256 fingerprint, `AB:CD:…`; the only certificate that is accepted. Managers sign theirs themselves. */
  readonly certificate?: string | undefined;
  readonly oldAlgorithms: boolean;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The address of a request. */
export function urlOf({ host, port }: RestLogin, path: string, query: Query): URL {
  const url = new URL(`https://${host}:${port}/ovm/core/wsapi/rest${path}`);
  for (const [key, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(key, String(value));
  return url;
}
